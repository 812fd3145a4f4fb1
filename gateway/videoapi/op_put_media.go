package videoapi

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"headgate/gateway/awsapi"
	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// PutMedia takes Matroska as it comes and acknowledges each fragment (cluster)
// while the next one is sent: BUFFERING when it begins, RECEIVED when it has
// come, PERSISTED when the log has it. PERSISTED alone tells the fragment's
// number, which the log gives; it tells none while the gateway is cut off and
// stores in its spool.
//
// A fragment that begins more than five seconds behind the one before it begins
// a new take of the footage. Who sends faster than the log takes is read slower. One connection a stream.
// A producer whose connection broke may send again what was not acknowledged:
// what is stored of it is passed over, if its clusters are the same. Footage
// whose times lie before what is stored is put behind it, marked unsynced.
// Tags inside the stream (fragment metadata) are not kept.
//
// ResourceNotFoundException, InvalidArgumentException,
// ConnectionLimitExceededException.

const (
	absolute, relative = "ABSOLUTE", "RELATIVE"
	putMemory          = 1 << 20         // what a connection takes, besides its recorder's queue
	maxAhead           = 24 * time.Hour  // of the producer's clock
	pressed            = 0.25            // how full a recorder may be before reading waits
	maxHole            = 5 * time.Second // between fragments of one take
	largeFrame         = 512 << 10       // such a frame waits for an empty recorder
)

func (a *API) putMedia(ctx context.Context, c *awsapi.Call, f *awsapi.Flow) error {
	s, err := a.find(c.Header("x-amzn-stream-name"), c.Header("x-amzn-stream-arn"))
	if err != nil {
		return err
	}
	origin, err := originOf(c)
	if err != nil {
		return err
	}
	if !a.claim(s.Name) {
		return awsapi.Fail(connectionLimit, "Footage of stream %s comes in already.", s.Name)
	}
	defer a.unclaim(s.Name)
	if err := c.Hold(ctx, putMemory); err != nil {
		return err
	}
	recorder, err := a.config.Recorder(ctx, s.Name)
	if err != nil {
		return err
	}
	if err := f.Begin("application/json"); err != nil {
		return err
	}
	p := &producer{api: a, stream: s, flow: f, in: chunk.NewStream(f.Body), origin: origin, session: session{recorder: recorder, cluster: -1}}
	p.run(ctx)
	return nil
}

// originOf is what is added to the times of a stream.
func originOf(c *awsapi.Call) (int64, error) {
	kind, start := c.Header("x-amzn-fragment-timecode-type"), c.Header("x-amzn-producer-start-timestamp")
	switch {
	case kind == absolute:
		return 0, nil
	case kind != relative:
		return 0, invalid("x-amzn-fragment-timecode-type must be ABSOLUTE or RELATIVE.")
	}
	if seconds, err := strconv.ParseFloat(start, 64); err == nil && seconds >= 0 && seconds < 1e11 {
		return int64(math.Round(seconds * 1000)), nil
	}
	if t, err := http.ParseTime(start); err == nil {
		return t.UnixMilli(), nil
	}
	return 0, invalid("x-amzn-producer-start-timestamp must be given with RELATIVE: seconds since 1970.")
}

// claim makes the caller the one who sends a stream's footage.
func (a *API) claim(name shardlog.StreamName) bool {
	if a.config.Busy != nil && a.config.Busy(name) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.putting[name] {
		return false
	}
	a.putting[name] = true
	return true
}

func (a *API) unclaim(name shardlog.StreamName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.putting, name)
}

// Putting reports whether footage of a stream comes in by PutMedia now.
func (a *API) Putting(name shardlog.StreamName) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.putting[name]
}

// producer is one PutMedia.
type producer struct {
	api    *API
	stream shardlog.Stream
	flow   *awsapi.Flow
	in     *chunk.Stream
	origin int64

	session
	begun    bool           // the recorder knows of it
	numbers  [128]uint8     // of the recorder's tracks, by those of the stream; 0: not taken
	known    [128]bool      // tracks of the stream
	resumed  *session       // what came before the connection broke
	skip     [maxTracks]int // frames of this cluster that are stored already, by track
	skipAll  bool           // all of them are
	sets     sets           // of the pictures
	keyed    bool           // decoding may start with what has been recorded
	gone     uint64         // parts that the recorder had given up when the cluster began
	end      int64          // of the take so far, milliseconds since 1970
	timecode int64          // of the cluster, as the producer counts
}

// run reads until the stream ends or errs, and says so.
func (p *producer) run(ctx context.Context) {
	for {
		event, err := p.in.Next()
		var f *fault
		switch {
		case errors.Is(err, io.EOF):
			p.recorder.End(chunk.Left)
			return
		case err != nil:
			f = faultOf(err)
		case event == chunk.TracksCome:
			f = p.describe()
		case event == chunk.ClusterOpens:
			f = p.open()
		case event == chunk.FrameComes:
			f = p.frame(ctx)
		case event == chunk.ClusterEnds:
			f = p.close(ctx)
		}
		if f == nil {
			continue
		}
		_ = p.acknowledge("ERROR", 0, f) // whoever has gone needs no answer
		if f.torn {
			p.tear()
		} else {
			p.recorder.End(chunk.Left)
		}
		return
	}
}

// describe takes tracks over, under the numbers that the recorder wants.
func (p *producer) describe() *fault {
	p.numbers, p.known, p.sets = [128]uint8{}, [128]bool{}, sets{}
	var tracks []chunk.Track
	var used [maxTracks]bool
	for _, t := range p.in.Tracks {
		p.known[t.Number] = true
		number := chunk.TelemetryTrack
		switch {
		case t.Codec.Video():
			number = chunk.VideoTrack
			p.sets = setsOf(t)
		case t.Codec.Audio():
			number = chunk.AudioTrack
			t.Rate, t.Channels = orUsual(t.Rate, 8000), orUsual(t.Channels, 1)
		case t.Codec != chunk.Text:
			continue
		}
		if used[number] {
			continue
		}
		used[number] = true
		p.numbers[t.Number] = number
		t.Number = number
		tracks = append(tracks, t)
	}
	if len(tracks) == 0 {
		return &faultData
	}
	p.tracks = tracks
	if p.begun {
		p.recorder.Tracks(tracks)
	}
	return nil
}

func orUsual(n, usual int) int {
	if n > 0 {
		return n
	}
	return usual
}

// open begins a fragment.
func (p *producer) open() *fault {
	at := p.origin + p.in.Time
	switch {
	case p.tracks == nil:
		return &faultData
	case at < p.cluster:
		return &faultOrder
	case at > p.api.config.Now().Add(maxAhead).UnixMilli():
		return &faultTime
	}
	p.timecode = p.in.Time
	switch {
	case !p.begun:
		p.begun = true
		if p.resumed = p.api.resume(p, at); p.resumed == nil {
			p.begin(chunk.Silent)
		}
		p.keyed = p.resumed != nil
	case at > p.end+maxHole.Milliseconds() && p.end > 0:
		p.begin(chunk.Jumped)
	}
	p.skip, p.skipAll = [maxTracks]int{}, false
	if p.resumed != nil {
		p.skipAll = at < p.resumed.cluster
		if at == p.resumed.cluster {
			p.skip = p.resumed.counts
		}
	}
	p.cluster, p.counts, p.gone = at, [maxTracks]int{}, p.recorder.Stats().Dropped
	return acknowledged(p.acknowledge("BUFFERING", 0, nil))
}

// begin begins a take, and ends the one under way if there is one.
func (p *producer) begin(why chunk.Reason) {
	p.recorder.End(why)
	p.recorder.Begin(p.tracks, false)
	p.keyed, p.end = false, 0
}

// frame hands a frame to the recorder, once that has room.
func (p *producer) frame(ctx context.Context) *fault {
	f := p.in.Frame
	if !p.known[f.Track&127] {
		return &faultTrack
	}
	number := p.numbers[f.Track&127]
	if number == 0 || p.skipAll {
		return nil
	}
	p.counts[number]++
	if p.counts[number] <= p.skip[number] {
		return nil
	}
	if len(f.Data) > largeFrame || p.recorder.Pressure() > pressed {
		if _, err := p.recorder.Flush(ctx); err != nil {
			return faultOf(err)
		}
	}
	f.Track, f.At = number, max(1, p.origin+f.At)
	if number != chunk.VideoTrack {
		f.Key = true
	} else if f.Key {
		f.Data = p.sets.in(f.Data)
	}
	p.keyed = p.keyed || f.Key && (number == chunk.VideoTrack || !slices.ContainsFunc(p.tracks, func(t chunk.Track) bool { return t.Codec.Video() }))
	p.end = max(p.end, f.At)
	p.recorder.Frame(f)
	return nil
}

// close ends a fragment, and waits until it is stored.
func (p *producer) close(ctx context.Context) *fault {
	if err := p.acknowledge("RECEIVED", 0, nil); err != nil {
		return acknowledged(err)
	}
	key, err := p.recorder.Flush(ctx)
	switch {
	case err != nil:
		return faultOf(err)
	case p.recorder.Stats().Dropped != p.gone:
		if now, ok := p.api.config.Catalog.Stream(p.stream.Name); !ok || now.ID != p.stream.ID {
			return &faultGone
		}
		return &faultStore
	case !p.keyed:
		return &faultData // it cannot be decoded, and is not stored
	case p.skipAll:
		key = 0 // the number is of a later one
	}
	return acknowledged(p.acknowledge("PERSISTED", key, nil))
}

// acknowledge sends one line.
func (p *producer) acknowledge(event string, number shardlog.Seq, f *fault) error {
	b := append([]byte(`{"EventType":"`), event...)
	b = append(b, '"')
	if p.cluster >= 0 {
		b = strconv.AppendInt(append(b, `,"FragmentTimecode":`...), p.timecode, 10)
	}
	if number > 0 {
		b = append(strconv.AppendUint(append(b, `,"FragmentNumber":"`...), uint64(number), 10), '"')
	}
	if f != nil {
		b = append(strconv.AppendInt(append(b, `,"ErrorId":`...), int64(f.id), 10), `,"ErrorCode":"`...)
		b = append(append(b, f.code...), '"')
	}
	if _, err := p.flow.Write(append(b, '}', '\n')); err != nil {
		return err
	}
	return p.flow.Flush()
}
