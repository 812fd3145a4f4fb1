package uplink

import (
	"context"
	"net"
	"net/url"

	"golang.org/x/net/proxy"
)

// Through is Dial by way of a SOCKS5 proxy (RFC 1928), for what is not HTTP;
// nil is no proxy. The proxy looks names up. Kind Invalid for proxies of HTTP.
func (l *Lane) Through(p *url.URL) (Dial, error) {
	if p == nil {
		return l.Dial, nil
	}
	if p.Scheme != "socks5" {
		return nil, invalid("a proxy of %s is for HTTP: here socks5 is wanted", p.Scheme)
	}
	var login *proxy.Auth
	if p.User != nil {
		password, _ := p.User.Password()
		login = &proxy.Auth{User: p.User.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", p.Host, login, dialer(l.Dial))
	if err != nil {
		return nil, invalid("%w", err)
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return d.(proxy.ContextDialer).DialContext(ctx, network, address)
	}, nil
}

// dialer is Dial as that library wants it.
type dialer Dial

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d(context.Background(), network, address)
}

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}
