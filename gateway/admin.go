package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"headgate/gateway/access"
	"headgate/gateway/devices"
	"headgate/ingest/jobs"
	"headgate/ingest/mqtt"
	"headgate/ingest/shadow"
	"headgate/shardlog"
)

// admin answers the command line on the data folder's socket. Whoever can
// open the socket owns the gateway: its file is the owner's alone.
type admin struct {
	writer     shardlog.Writer
	reader     shardlog.Reader
	catalog    shardlog.Catalog
	control    shardlog.Control
	gaps       shardlog.Gaps
	keys       *access.Keys
	audit      *audit
	devices    *devices.Store
	shadows    *shadow.Service
	broker     brokerAdmin
	jobs       *jobs.Service
	site       siteAdmin
	deliveries deliveryAdmin
	cameras    cameraAdmin
	rules      *ruleAdmin
	footage    http.Handler // below /cameras/NAME/
	status     func() Status
	verify     func(ctx context.Context, yield verifyYield) error
	level      *slog.LevelVar
	now        func() time.Time
}

// brokerAdmin is what the command line asks the broker.
type brokerAdmin interface {
	traffic(by mqtt.Rank, n int) ([]DeviceTraffic, error)
}

// maxAdminBody bounds what one call may send.
const maxAdminBody = 16 << 20

func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxAdminBody)
			answer, err := h(w, r)
			if err != nil {
				refuse(w, err)
			} else if answer != nil {
				reply(w, http.StatusOK, answer)
			}
		})
	}
	handle("GET /status", func(http.ResponseWriter, *http.Request) (any, error) { return a.status(), nil })
	handle("GET /streams", func(http.ResponseWriter, *http.Request) (any, error) { return a.status().Streams, nil })
	handle("GET /streams/{stream}", a.describeStream)
	handle("PUT /streams/{stream}", a.createStream)
	handle("DELETE /streams/{stream}", a.deleteStream)
	handle("PUT /streams/{stream}/retention", a.setRetention)
	handle("POST /streams/{stream}/shards/{shard}/split", a.splitShard)
	handle("POST /streams/{stream}/shards/{shard}/merge", a.mergeShards)
	handle("POST /streams/{stream}/records", a.putRecords)
	handle("GET /streams/{stream}/records", a.tailRecords)
	handle("GET /gaps", a.listGaps)
	handle("GET /deliveries", a.listDeliveries)
	handle("POST /deliveries", a.createDelivery)
	handle("GET /deliveries/{delivery}", a.describeDelivery)
	handle("DELETE /deliveries/{delivery}", a.deleteDelivery)
	handle("POST /deliveries/{delivery}/probe", a.testDelivery)
	handle("POST /deliveries/{delivery}/pause", a.pauseDelivery)
	handle("POST /deliveries/{delivery}/resume", a.resumeDelivery)
	handle("POST /deliveries/{delivery}/seek", a.seekDelivery)
	handle("GET /cameras", a.listCameras)
	handle("POST /cameras", a.addCamera)
	handle("DELETE /cameras/{camera}", a.removeCamera)
	handle("POST /cameras/{camera}/tokens", a.renewTokens)
	handle("PUT /cameras/{camera}/telemetry", a.accompanyCamera)
	mux.Handle("GET /cameras/{camera}/", a.footage)
	handle("GET /verify", a.verifyBlocks)
	handle("GET /keys", a.listKeys)
	handle("POST /keys", a.changeKeys)
	a.deviceRoutes(handle)
	a.shadowRoutes(handle)
	a.ruleRoutes(handle)
	a.jobRoutes(mux, handle)
	handle("PUT /log-level", a.setLevel)
	handle("POST /site/invitations", a.invite)
	handle("DELETE /site/members/{id}", a.removePeer)
	handle("POST /outage", a.simulateOutage)
	handle("PUT /clock/trust", a.trustClock)
	handle("PUT /debug/clock", a.shiftClock)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// server serves the socket. A tail may last for days, so writing has no limit.
func (a *admin) server() *http.Server {
	return &http.Server{Handler: a.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute}
}

// refusal is how an error crosses the socket.
type refusal struct {
	Kind    shardlog.Kind `json:"kind"`
	Message string        `json:"message"`
}

func refuse(w http.ResponseWriter, err error) {
	var tooLong *http.MaxBytesError
	kind := shardlog.KindOf(err)
	if errors.As(err, &tooLong) {
		kind = shardlog.Invalid
	}
	status := http.StatusInternalServerError
	switch kind {
	case shardlog.Invalid:
		status = http.StatusBadRequest
	case shardlog.NotFound:
		status = http.StatusNotFound
	case shardlog.InUse, shardlog.Conflict:
		status = http.StatusConflict
	case shardlog.Throttled:
		status = http.StatusTooManyRequests
	case shardlog.Unavailable, shardlog.Unknown:
		status = http.StatusServiceUnavailable
	case shardlog.Full:
		status = http.StatusInsufficientStorage
	}
	reply(w, status, refusal{Kind: kind, Message: err.Error()})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller who has gone needs no answer
}

// receive reads the JSON body of a call.
func receive(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return shardlog.Errorf(shardlog.Invalid, "read request", "%w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return shardlog.Errorf(shardlog.Invalid, "read request", "more than one value")
	}
	return nil
}

// stream finds the stream that the path names.
func (a *admin) stream(r *http.Request) (shardlog.Stream, error) {
	name := shardlog.StreamName(r.PathValue("stream"))
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return stream, &shardlog.Error{Kind: shardlog.NotFound, Op: "find stream", Stream: name, Err: errors.New(a.known())}
	}
	return stream, nil
}

// known lists the streams there are, for whoever mistyped one.
func (a *admin) known() string {
	var names []string
	for _, s := range a.catalog.Streams() {
		names = append(names, string(s.Name))
	}
	if len(names) == 0 {
		return "there are no streams yet"
	}
	return "there are " + strings.Join(names[:min(len(names), 20)], ", ")
}

func (a *admin) setLevel(_ http.ResponseWriter, r *http.Request) (any, error) {
	var want struct {
		Level string `json:"level"`
	}
	if err := receive(r, &want); err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(want.Level)); err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "set log level", "%q: write debug, info, warn or error", want.Level)
	}
	a.level.Set(level)
	return map[string]string{"level": strings.ToLower(level.String())}, nil
}
