package awsapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
)

// maxInflated is the largest that a compressed body may become: four times what
// AWS takes of PutMetricData, the operation that SDKs compress requests of.
const maxInflated = 4 << 20

// inflate unpacks a body that the client has compressed. What it has signed is
// the body as it came, so that is remembered.
func (c *Call) inflate(w http.ResponseWriter) *Error {
	if c.request.Header.Get("Content-Encoding") != "gzip" {
		return nil
	}
	c.sum = hashOf(c.Body)
	if err := c.Hold(c.request.Context(), maxInflated); err != nil {
		return err
	}
	r, err := gzip.NewReader(bytes.NewReader(c.Body))
	if err != nil {
		return serialization("The body is not compressed as its Content-Encoding says.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, io.NopCloser(r), maxInflated))
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return tooLarge(w)
	}
	if err != nil {
		return serialization("The body is not compressed as its Content-Encoding says.")
	}
	c.Body = body
	return nil
}

// signedHash is the hash of the body as the client sent it.
func (c *Call) signedHash() string {
	if c.sum != "" {
		return c.sum
	}
	return hashOf(c.Body)
}
