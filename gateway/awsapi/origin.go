package awsapi

import (
	"net"
	"net/http"
	"net/url"
)

const exposed = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date"

// cross answers browsers' questions about pages from other places, and
// reports whether that was all. Signed requests may come from any page: the
// signature says who asks. In open mode only pages of this machine may ask,
// or any web page could write through its visitor's browser.
func (d *Door) cross(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	if d.open && !isLoopback(origin) {
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	h["Access-Control-Allow-Origin"] = []string{"*"}
	if r.Method != http.MethodOptions {
		h["Access-Control-Expose-Headers"] = []string{exposed}
		return false
	}
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h["Access-Control-Allow-Headers"] = []string{asked}
	}
	if asked := r.Header.Get("Access-Control-Request-Method"); asked != "" {
		h["Access-Control-Allow-Methods"] = []string{asked}
	}
	h["Access-Control-Max-Age"] = []string{"172800"}
	h["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusOK)
	return true
}

func isLoopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
