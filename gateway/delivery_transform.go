package gateway

import (
	"encoding/json"
	"fmt"
	"strings"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/transform"
	"headgate/shardlog"
)

// transforms makes what lies between the log and the sink, and the text that
// changes whenever it does. Nil: records go as they are.
func (d *DeliveryConfig) transforms(function func(name string) (transform.Invoker, error)) (firehose.Transform, string, error) {
	if len(d.Transform) == 0 && !d.Unwrap {
		return nil, "", nil
	}
	spec := transform.Spec{Steps: d.Transform}
	text, err := json.Marshal(struct {
		Unwrap bool
		transform.Spec
	}{d.Unwrap, spec})
	if err != nil {
		return nil, "", fmt.Errorf("describe transform: %w", err)
	}
	if len(d.Transform) == 0 {
		return delivery.Unwrap{}, string(text), nil
	}
	chain, err := transform.New(spec, transform.Env{Delivery: d.Name, Stream: d.Stream, Secret: readReference, Function: function})
	if err != nil {
		return nil, "", err
	}
	if d.Unwrap {
		chain = unwrapped{chain}
	}
	return chain, string(text), nil
}

// readReference reads a secret that is named by file:PATH, env:NAME or
// credential:NAME.
func readReference(ref string) ([]byte, error) {
	kind, name, _ := strings.Cut(ref, ":")
	s := &Secret{}
	switch kind {
	case "file":
		s.File = name
	case "env":
		s.Env = name
	case "credential":
		s.Credential = name
	default:
		return nil, shardlog.Errorf(shardlog.Invalid, "read secret", "say where it lies: file:PATH, env:NAME or credential:NAME")
	}
	text, err := s.Read()
	return []byte(text), err
}
