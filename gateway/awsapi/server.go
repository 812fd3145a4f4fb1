package awsapi

import (
	"net/http"
	"time"
)

// NewServer makes a server for a Door, to be given a listener: HTTP/1.1 and,
// for clients that begin with it, unencrypted HTTP/2 (as the JavaScript and
// Java SDKs do); HTTP/2 by ALPN when served over TLS. Its limits keep slow
// and greedy clients from holding anything for long.
func NewServer(handler http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second, // a 16 MiB body at 2.2 Mbit/s
		WriteTimeout:      90 * time.Second,
		IdleTimeout:       3 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          1000, // consumers hold one stream for each shard
			MaxReceiveBufferPerConnection: 4 << 20,
			MaxReceiveBufferPerStream:     1 << 20,
			SendPingTimeout:               60 * time.Second,
			WriteByteTimeout:              60 * time.Second, // who reads nothing at all
		},
	}
}
