package gateway

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"headgate/firehose/uplink"
	"headgate/shardlog"
)

// UplinkConfig is what the site's way out may carry, all deliveries together.
type UplinkConfig struct {
	Rate  Bytes    `yaml:"rate"`  // a second, sent; zero: any
	Day   Bytes    `yaml:"day"`   // both ways, by the machine's time zone; zero: any
	Month Bytes    `yaml:"month"` // both ways; zero: any
	Bulk  []string `yaml:"bulk"`  // when deliveries of priority bulk go: "01:00-05:00", "sat,sun 00:00-23:59"; none: always
}

// UplinkStatus is the way out as `headgate status` shows it.
type UplinkStatus = uplink.Status

func (c UplinkConfig) config() (uplink.Config, error) {
	u := uplink.Config{Rate: int64(c.Rate), Day: int64(c.Day), Month: int64(c.Month)}
	for _, text := range c.Bulk {
		w, err := uplink.ParseWindow(text)
		if err != nil {
			return u, err
		}
		u.Windows = append(u.Windows, w)
	}
	return u, u.Validate()
}

func (c *Config) checkUplink() error {
	if _, err := c.Uplink.config(); err != nil {
		return Fault{"uplink", err.Error()}
	}
	return nil
}

// way is how one delivery gets out: over its lane of the uplink.
type way struct {
	config    *Config
	functions *hosted
	name      string // the delivery's
	lane      *uplink.Lane
}

// ProxyConfig is a proxy between a delivery and its destination.
type ProxyConfig struct {
	URL      string  `yaml:"url"` // http, https or socks5
	Username string  `yaml:"username"`
	Password *Secret `yaml:"password"`
}

// NetConfig is how connections to a destination go. Those that are not HTTP's
// go through socks5 only.
type NetConfig struct {
	TLS   *TLSConfig   `yaml:"tls"`
	Proxy *ProxyConfig `yaml:"proxy"` // nil: HTTPS_PROXY and its like of the environment
}

func (c *ProxyConfig) check() error {
	if c == nil {
		return nil
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		return Fault{"proxy.url", "write http://, https:// or socks5:// and a host"}
	case u.User != nil:
		return Fault{"proxy.url", "it must hold no password: give username and password beside it"}
	}
	return nil
}

// open is the proxy's URL. Nil is none.
func (c *ProxyConfig) open() (*url.URL, error) {
	if c == nil {
		return nil, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open proxy", "the url is none")
	}
	if c.Username != "" {
		password, err := read("proxy.password", c.Password)
		if err != nil {
			return nil, err
		}
		u.User = url.UserPassword(c.Username, password)
	}
	return u, nil
}

func (c NetConfig) check() error {
	if err := c.TLS.check(); err != nil {
		return err
	}
	return c.Proxy.check()
}

func (c NetConfig) secrets() []*Secret {
	if c.Proxy == nil {
		return nil
	}
	return []*Secret{c.Proxy.Password}
}

// transport is HTTP over the lane.
func (w *way) transport(c NetConfig) (http.RoundTripper, error) {
	secure, err := c.TLS.open()
	if err != nil {
		return nil, err
	}
	proxy, err := c.Proxy.open()
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return w.lane.Transport(secure, proxy), nil
}

// keyed is transport, with the secret that goes over it.
func (w *way) keyed(name string, secret *Secret, c NetConfig) (text string, t http.RoundTripper, err error) {
	if text, err = read(name, secret); err == nil {
		t, err = w.transport(c)
	}
	return text, t, err
}

// login is a password, with how the connection that carries it is secured and
// dialled.
func (w *way) login(secret *Secret, c NetConfig) (password string, secure *tls.Config, dial uplink.Dial, err error) {
	if password, err = read("password", secret); err != nil {
		return "", nil, nil, err
	}
	if secure, err = c.TLS.open(); err != nil {
		return "", nil, nil, err
	}
	proxy, err := c.Proxy.open()
	if err != nil {
		return "", nil, nil, err
	}
	dial, err = w.lane.Through(proxy)
	return password, secure, dial, err
}

// client is transport for those that want a client. It follows no redirects:
// signatures are for one host.
func (w *way) client(c NetConfig) (*http.Client, error) {
	t, err := w.transport(c)
	if err != nil {
		return nil, err
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: t, CheckRedirect: stay}, nil
}

// signed is a client, with the pair of keys that requests are signed with.
func (w *way) signed(access, private *Secret, c NetConfig) (id, secret string, client *http.Client, err error) {
	if id, err = read("access_key", access); err != nil {
		return "", "", nil, err
	}
	if secret, err = read("secret_key", private); err != nil {
		return "", "", nil, err
	}
	client, err = w.client(c)
	return id, secret, client, err
}

// duration is one that may be left out.
func duration(d *Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}
