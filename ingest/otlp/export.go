package otlp

import (
	"errors"
	"fmt"
	"mime"
	"net/http"

	"headgate/ingest/intake"
	"headgate/shardlog"
)

// export takes the export requests of one signal.
func (s *Server) export(of *signal, stream shardlog.StreamName) http.Handler {
	spec := shardlog.StreamSpec{Name: stream, Shards: s.config.Shards}
	if s.config.Record > shardlog.DefaultRecordBytes {
		spec.RecordKiB = (s.config.Record + 1023) >> 10
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := encoding(r)
		switch {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			answer(w, c, http.StatusMethodNotAllowed, c.status(codeUnimplemented, "use POST"))
			return
		case !ok:
			w.Header().Set("Accept", "application/x-protobuf, application/json")
			answer(w, c, http.StatusUnsupportedMediaType, c.status(codeInvalidArgument, "content type is neither application/x-protobuf nor application/json"))
			return
		}
		t := taking{Server: s, codec: c, signal: of, spec: spec}
		if err := t.take(w, r); err != nil {
			s.refuse(w, r, c, err)
			return
		}
		s.requests.Add(1)
		s.refused.Add(t.rejected)
		answer(w, c, http.StatusOK, c.success(of, t.rejected, t.message))
	})
}

// encoding is the codec of a request, protobuf when it is not known.
func encoding(r *http.Request) (codec, bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return protobuf{}, false
	case kind == jsonText{}.mediaType():
		return jsonText{}, true
	default:
		return protobuf{}, kind == protobuf{}.mediaType()
	}
}

// answer writes the head and the body, in the request's encoding.
func answer(w http.ResponseWriter, c codec, status int, body []byte) {
	w.Header().Set("Content-Type", c.mediaType())
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone sends again
}

// taking is one export request in work.
type taking struct {
	*Server
	codec
	*signal
	spec shardlog.StreamSpec

	rejected int64  // items that are not stored
	message  string // why not
}

// take reads, checks, cuts and stores the request. An error means that the
// client was promised nothing; nil that all but the rejected items are
// durable. Kinds: those of intake.Gate.Take and intake.Store.Put.
func (t *taking) take(w http.ResponseWriter, r *http.Request) error {
	body, err := t.gate.Take(w, r)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := t.check(t.request, body.Bytes); err != nil {
		return err
	}
	cut := cutter{codec: t.codec, source: body.Source, most: t.config.Record, byResource: t.config.ByResource}
	if err := cut.cut(t.request, body.Bytes); err != nil {
		return err
	}
	if t.rejected = cut.rejected; t.rejected > 0 {
		t.message = fmt.Sprintf("larger than a record of %d bytes", t.config.Record)
	}
	if len(cut.pieces) == 0 {
		return t.nothing()
	}
	meta := intake.Meta{Kind: t.kind, Type: t.mediaType(), Source: body.Source}.Append(nil)
	entries := make([]shardlog.Entry, len(cut.pieces))
	for i, p := range cut.pieces {
		entries[i] = shardlog.Entry{Key: p.key, Data: p.data, Meta: meta}
	}
	refused, err := t.store.Put(r.Context(), t.spec, entries)
	if err != nil {
		t.failed.Add(1)
		return err
	}
	for _, one := range refused {
		t.rejected += count(t.codec, t.request, entries[one.Index].Data)
		t.message = one.Err.Error()
	}
	if len(refused) == len(entries) {
		return t.nothing()
	}
	t.records.Add(int64(len(entries) - len(refused)))
	t.items.Add(count(t.codec, t.request, body.Bytes) - t.rejected)
	return nil
}

// nothing is the end of a request of which nothing is stored: an error if
// there was something. Kind LimitExceeded.
func (t *taking) nothing() error {
	if t.rejected == 0 && t.message == "" {
		return nil
	}
	return &shardlog.Error{Kind: shardlog.LimitExceeded, Op: "store request", Err: errors.New(t.message)}
}
