package awsapi

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/http"
	"strconv"
)

// identify gives a request its ids, which every answer carries. Header names
// keep AWS's spelling: some clients look for them byte by byte.
func identify(h http.Header, r *http.Request) string {
	var random [16 + 72]byte
	rand.Read(random[:]) // never fails
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	var id [36]byte
	hex.Encode(id[0:8], random[0:4])
	hex.Encode(id[9:13], random[4:6])
	hex.Encode(id[14:18], random[6:8])
	hex.Encode(id[19:23], random[8:10])
	hex.Encode(id[24:36], random[10:16])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	text := string(id[:])
	h["x-amzn-RequestId"] = []string{text}
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" {
		h["x-amz-id-2"] = []string{base64.StdEncoding.EncodeToString(random[16:])}
	}
	return text
}

// answer sends c.Out.
func (c *Call) answer(w http.ResponseWriter, status int) {
	switch {
	case c.format == formatQuery:
		c.answerXML(w, status)
		return
	case c.format == formatRPC:
		w.Header()["smithy-protocol"] = []string{"rpc-v2-cbor"}
	case (c.format == formatREST || c.format == formatRaw) && len(c.Out.buf) == 0:
		c.Out.buf = append(c.Out.buf, "{}"...)
	}
	c.send(w, status, c.content, c.Out.buf)
}

func (c *Call) send(w http.ResponseWriter, status int, content string, body []byte) {
	h := w.Header()
	if content != "" {
		h["Content-Type"] = []string{content}
	} else {
		h["Content-Type"] = nil // do not let net/http guess
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if len(body) > 0 {
		w.Write(body) // a client that went away is no news
	}
}

// fail sends an error in the format of the request.
func (c *Call) fail(w http.ResponseWriter, err *Error) {
	status := err.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	w.Header()["x-amzn-ErrorType"] = []string{err.Code}
	if status == http.StatusServiceUnavailable {
		w.Header()["Retry-After"] = []string{"1"}
	}
	if c.route != nil && c.route.service.Query != "" { // SDKs of services that were asked so before look for the older code
		w.Header()["x-amzn-query-error"] = []string{queryCode(err) + ";" + fault(status)}
	}
	c.Out = Reply{buf: c.Out.buf[:0], cbor: c.Out.cbor}
	out := &c.Out
	switch c.format {
	case formatNone:
		c.send(w, status, "", appendXML(out.buf, err))
		return
	case formatQuery:
		c.failXML(w, status, err)
		return
	case formatCoral:
		out.Open("")
		out.Open("Output")
		out.Text("__type", "com.amazon.coral.service#"+err.Code)
		out.Close()
		out.Text("Version", "1.0")
		out.Close()
		c.send(w, status, typeCoral, out.buf)
		return
	}
	out.Open("")
	if c.format != formatREST { // there the header says it
		out.Text("__type", err.Code)
	}
	if err.Message != "" {
		name := "message"
		if err.capital || c.format == formatREST {
			name = "Message"
		}
		out.Text(name, err.Message)
	}
	if err.name != "" {
		if text, broken := json.Marshal(err.more); broken == nil {
			out.member(err.name, text)
		}
	}
	out.Close()
	c.answer(w, status)
}

func appendXML(b []byte, err *Error) []byte {
	if err.Message == "" {
		return append(b, "<"+err.Code+"/>\n"...)
	}
	return append(b, "<"+err.Code+">\n  <Message>"+html.EscapeString(err.Message)+"</Message>\n</"+err.Code+">\n"...)
}
