package awsapi

import (
	"net/http"
	"strings"
)

// format is how a body is written. An answer is written like its request.
type format uint8

const (
	formatNone  format = iota // not known: errors are XML
	formatJSON                // application/x-amz-json-1.1
	formatCoral               // application/json: the envelope of an older protocol, for errors only
	formatREST                // application/json of an operation with a path
)

const (
	typeJSON  = "application/x-amz-json-1.1"
	typeCoral = "application/json"
)

// checkForm looks at everything about a request that does not depend on what
// is in its body, and sets the call's format.
func checkForm(c *Call, known, named bool) *Error {
	r := c.request
	c.format = formatNone
	if r.Method != http.MethodPost {
		return unnamed()
	}
	content, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	content = strings.TrimSpace(content)
	if len(c.Body) == 0 {
		c.format = formatJSON
		if known {
			return &Error{Code: "SerializationException"}
		}
		return &Error{Code: "UnknownOperationException"}
	}
	switch content {
	case typeJSON:
		c.format = formatJSON
		return nil
	case typeCoral:
		c.format = formatCoral
		if !isObject(c.Body) {
			return &Error{Code: "SerializationException"}
		}
		return &Error{Status: http.StatusNotFound, Code: "UnknownOperationException"}
	}
	if !named {
		return unnamed()
	}
	return &Error{Status: http.StatusNotFound, Code: "UnknownOperationException"}
}

func unnamed() *Error {
	return &Error{Status: http.StatusForbidden, Code: "AccessDeniedException",
		Message: "Unable to determine service/operation name to be authorized"}
}
