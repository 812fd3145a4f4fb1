package awsapi

import (
	"net/http"
	"strings"
)

// format is how a body is written. An answer is written like its request.
type format uint8

const (
	formatNone  format = iota // not known: errors are XML
	formatJSON                // application/x-amz-json-1.1, or 1.0
	formatCBOR                // application/x-amz-cbor-1.1
	formatCoral               // application/json: the envelope of an older protocol, for errors only
	formatREST                // application/json of an operation with a path
	formatRaw                 // formatREST, with a body that is no JSON
	formatRPC                 // application/cbor of Smithy's RPC v2
	formatQuery               // application/x-www-form-urlencoded, answered in XML
)

const (
	typeJSON  = "application/x-amz-json-1.1"
	typeJSON0 = "application/x-amz-json-1.0"
	typeCBOR  = "application/x-amz-cbor-1.1"
	typeCoral = "application/json"
	typeRPC   = "application/cbor"
	typeForm  = "application/x-www-form-urlencoded"
	typeXML   = "text/xml"
)

// use is the format of the call, and the content type of its answer.
func (c *Call) use(f format, content string) {
	c.format, c.content, c.Out.cbor, c.Out.seconds = f, content, f == formatCBOR || f == formatRPC, f == formatRPC
}

// isObject reports whether the body is one object in its format, without
// making one.
func (c *Call) isObject() bool {
	switch c.format {
	case formatCBOR, formatRPC:
		return isCBORMap(c.Body)
	case formatQuery:
		return true
	}
	return isObject(c.Body)
}

// firstFormat is how errors are written until checkForm has looked.
func firstFormat(r *http.Request) (format, string) {
	if contentType(r) == typeCBOR {
		return formatCBOR, typeCBOR
	}
	return formatJSON, typeJSON
}

func contentType(r *http.Request) string {
	content, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.TrimSpace(content)
}

// checkForm looks at everything about a request that does not depend on what
// is in its body, and sets the call's format.
func checkForm(c *Call, known, named bool) *Error {
	r := c.request
	c.use(formatNone, "")
	if r.Method != http.MethodPost {
		return unnamed()
	}
	content := contentType(r)
	if len(c.Body) == 0 {
		c.use(firstFormat(r))
		if known {
			return &Error{Code: "SerializationException"}
		}
		return &Error{Code: "UnknownOperationException"}
	}
	switch content {
	case typeJSON, typeJSON0:
		c.use(formatJSON, content)
		return nil
	case typeCBOR:
		c.use(formatCBOR, content)
		return nil
	case typeRPC:
		if rpcTarget(r) != "" {
			c.use(formatRPC, content)
			return nil
		}
	case typeForm:
		if known {
			c.use(formatQuery, typeXML)
			return nil
		}
	case typeCoral:
		c.use(formatCoral, content)
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

// rpcTarget is what a request of Smithy's RPC v2 asks for, as X-Amz-Target would
// have it; "" when it is none.
func rpcTarget(r *http.Request) string {
	parts := strings.Split(r.URL.Path, "/") // /service/NAME/operation/NAME
	if r.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" || len(parts) != 5 || parts[1] != "service" || parts[3] != "operation" {
		return ""
	}
	return parts[2] + "." + parts[4]
}

func unnamed() *Error {
	return &Error{Status: http.StatusForbidden, Code: "AccessDeniedException",
		Message: "Unable to determine service/operation name to be authorized"}
}
