package uplink

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// answerTime is how long a server may take from the last byte to its answer.
const answerTime = 2 * time.Minute

// Transport is how HTTP goes over the lane: connections are kept, and given up
// when they stand still. secure and proxy (http, https or socks5) may be nil.
func (l *Lane) Transport(secure *tls.Config, proxy *url.URL) *http.Transport {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: l.Dial, TLSClientConfig: secure,
		TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: answerTime, ExpectContinueTimeout: 5 * time.Second,
		IdleConnTimeout: idleTime, MaxIdleConns: 4, MaxIdleConnsPerHost: 4, ForceAttemptHTTP2: true,
		WriteBufferSize: slice,
	}
	if proxy != nil {
		t.Proxy = http.ProxyURL(proxy)
	}
	return t
}
