package web

import (
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"headgate/ingest"
)

// maxTopic is how long a topic may be, in bytes (AWS IoT Core, quotas).
const maxTopic = 256

// checkTopic says why a text is no topic's name (MQTT 5.0, 4.7.1 and 4.7.3).
func checkTopic(topic string) error {
	switch {
	case topic == "":
		return errors.New("the topic is empty")
	case len(topic) > maxTopic:
		return errors.New("the topic is longer than 256 bytes")
	case !utf8.ValidString(topic):
		return errors.New("the topic is not UTF-8")
	case strings.ContainsAny(topic, "+#\x00"):
		return errors.New("the topic has a wildcard or a zero byte in it")
	}
	return nil
}

// publish routes POST /topics/{topic}?qos=1 (AWS IoT data plane, Publish). The
// client id, of which AWS knows none here, is a parameter or a header; without
// one it is the partition key given, and without that the address, so that a
// device's messages stay in order.
func (s *Server) publish(r request, c *call, topic string) error {
	switch qos := r.query.Get(paramQoS); qos {
	case "", "0", "1": // the answer waits for the commit anyway
	default:
		return badRequest("qos %s: want 0 or 1", quote(qos))
	}
	switch retain := r.query.Get(paramRetain); retain {
	case "", "0", "false":
	default:
		return badRequest("retain is for MQTT: this door stores a message and keeps none for subscribers")
	}
	if s.cfg.Routes == nil {
		return &statusError{http.StatusNotFound, "not found", "this gateway has no routes for topics"}
	}
	if !c.site.publishes(topic) {
		return forbidden("the site's key is not for this topic")
	}
	client := r.either(paramClient, headerClient)
	if err := checkKey("the client id", client); err != nil {
		return err
	}
	if client == "" {
		client = c.key
	}
	if client == "" {
		client = c.at.String()
	}
	to, err := s.cfg.Routes.Find(ingest.Source{Topic: topic, ClientID: client, Username: c.site.name})
	if err != nil {
		return forbidden("no route leads from this topic to a stream")
	}
	c.iot, c.stream, c.meta.Topic = true, to.Stream, topic
	if content := r.query.Get("contentType"); content != "" {
		c.meta.ContentType = cut(content, maxType)
	}
	if c.key == "" {
		c.key = to.Key
	}
	if client != c.key {
		c.meta.Client = client
	}
	return nil
}
