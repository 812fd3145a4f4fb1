package s3

import (
	"context"
	"net"
	"net/http"
	"time"
)

// How long a link may stand still. The whole of a request is not bounded: a
// part of 5 MiB takes an hour where only an old modem has coverage.
const (
	dialTime   = 15 * time.Second
	stallTime  = time.Minute     // without a byte leaving
	answerTime = 2 * time.Minute // from the last byte to the answer
	idleTime   = 30 * time.Second
)

// patient is a client that gives up on a link that stands still.
func patient() *http.Client {
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: idleTime}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // signatures are for one host
	return &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return moving{c}, nil
		},
		TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: answerTime, ExpectContinueTimeout: 5 * time.Second,
		IdleConnTimeout: idleTime, MaxIdleConns: 4, MaxIdleConnsPerHost: 4, ForceAttemptHTTP2: true,
		WriteBufferSize: 16 << 10, // small enough for a slow link to finish within stallTime
	}}
}

// moving is a connection whose writes must get somewhere.
type moving struct{ net.Conn }

// Write fails when the link takes nothing for stallTime.
func (m moving) Write(p []byte) (int, error) {
	if err := m.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
		return 0, err
	}
	return m.Conn.Write(p)
}
