package awsapi

import (
	"bytes"
	"html"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The query protocol, which clients of older services speak: a request is a
// form that names operation, version and members
// (Action=PutMetricData&Version=2010-08-01&MetricData.member.1.MetricName=x),
// an answer is XML. Only operations whose answers are empty are asked for so.

// parseForm reads a body as a form; false when it is none, or holds too much.
func parseForm(body []byte) (url.Values, bool) {
	if bytes.Count(body, []byte{'&'}) > maxValues {
		return nil, false
	}
	form, err := url.ParseQuery(string(body))
	return form, err == nil
}

// readForm is Read for a form.
func readForm(form url.Values, fields []Field) (Input, *Error) {
	data, err := formMembers(form, fields, "")
	if err != nil {
		return nil, err
	}
	return check(data, true, fields)
}

// formMembers takes the members out of a form, each as the value that JSON
// would have.
func formMembers(form url.Values, fields []Field, prefix string) (map[string]any, *Error) {
	data := map[string]any{}
	for i := range fields {
		value, err := formValue(form, &fields[i], prefix+fields[i].Name)
		if err != nil {
			return nil, err
		}
		if value != nil {
			data[fields[i].Name] = value
		}
	}
	return data, nil
}

// formValue is the value of one member, nil when it is not there.
func formValue(form url.Values, f *Field, name string) (any, *Error) {
	switch f.Type {
	case List:
		return formList(form, f.Of, name+".member.")
	case Structure:
		data, err := formMembers(form, f.Fields, name+".")
		if err != nil || len(data) == 0 {
			return nil, err
		}
		return data, nil
	}
	if !form.Has(name) {
		return nil, nil
	}
	text := form.Get(name)
	malformed := Fail("MalformedInput", "%s: %.80q is not of its type.", name, text)
	switch f.Type {
	case Integer, Double:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return nil, malformed
		}
		return n, nil
	case Boolean:
		if text != "true" && text != "false" {
			return nil, malformed
		}
		return text == "true", nil
	case Timestamp:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, malformed
		}
		return float64(at.UnixMilli()) / 1000, nil
	}
	return text, nil
}

// formList is the elements from 1 on, up to the first that is not there.
func formList(form url.Values, of *Field, prefix string) (any, *Error) {
	var list []any
	for {
		value, err := formValue(form, of, prefix+strconv.Itoa(len(list)+1))
		if err != nil {
			return nil, err
		}
		if value == nil {
			break
		}
		list = append(list, value)
	}
	if list == nil {
		return nil, nil
	}
	return list, nil
}

// answerXML says that an operation was done.
func (c *Call) answerXML(w http.ResponseWriter, status int) {
	name := c.route.name
	text := `<` + name + `Response xmlns="` + c.route.service.Query + `"><ResponseMetadata><RequestId>` + c.RequestID + `</RequestId></ResponseMetadata></` + name + `Response>`
	c.send(w, status, c.content, append(c.Out.buf[:0], text...))
}

// failXML says why it was not.
func (c *Call) failXML(w http.ResponseWriter, status int, err *Error) {
	text := `<ErrorResponse xmlns="` + c.route.service.Query + `"><Error><Type>` + fault(status) + `</Type><Code>` + queryCode(err) + `</Code><Message>` +
		html.EscapeString(err.Message) + `</Message></Error><RequestId>` + c.RequestID + `</RequestId></ErrorResponse>`
	c.send(w, status, c.content, append(c.Out.buf[:0], text...))
}

// fault is whose fault an error is.
func fault(status int) string {
	if status < http.StatusInternalServerError {
		return "Sender"
	}
	return "Receiver"
}

// queryCode is an error's name in the query protocol.
func queryCode(err *Error) string { return strings.TrimSuffix(err.Code, "Exception") }
