package gateway

import (
	"fmt"
	"net/url"

	"headgate/shardlog"
)

// CameraConfig is one camera to make, and where its media come from if it does
// not publish by itself.
type CameraConfig struct {
	Name      shardlog.StreamName `yaml:"name"`
	Retention Duration            `yaml:"retention"`
	RTSP      *RTSPConfig         `yaml:"rtsp"`
}

// RTSPConfig is a camera that is fetched by RTSP.
type RTSPConfig struct {
	URL      string  `yaml:"url" json:"url"` // rtsp or rtsps, without credentials
	Username string  `yaml:"username" json:"username,omitempty"`
	Password *Secret `yaml:"password" json:"password,omitempty"`
	UDP      bool    `yaml:"udp" json:"udp,omitempty"` // media by UDP; otherwise inside the connection
}

func (r *RTSPConfig) check() string {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		return "it is no address"
	case u.Scheme != "rtsp" && u.Scheme != "rtsps":
		return "write rtsp://HOST/PATH or rtsps://HOST/PATH"
	case u.Host == "":
		return "it names no host"
	case u.User != nil:
		return "leave credentials out: username and password have places of their own"
	case r.Password != nil:
		return r.Password.check()
	}
	return ""
}

func (c *Config) checkCameras() error {
	seen := map[shardlog.StreamName]bool{}
	for i, one := range c.Cameras {
		path := fmt.Sprintf("cameras[%d]", i)
		if err := one.Name.Check(); err != nil {
			return Fault{path + ".name", err.Error()}
		}
		if seen[one.Name] {
			return Fault{path + ".name", fmt.Sprintf("%s is there twice", one.Name)}
		}
		seen[one.Name] = true
		if one.RTSP != nil {
			if fault := one.RTSP.check(); fault != "" {
				return Fault{path + ".rtsp", fault}
			}
		}
	}
	for i, s := range c.Streams {
		if seen[s.Name] {
			return Fault{fmt.Sprintf("streams[%d].name", i), fmt.Sprintf("%s is a camera's", s.Name)}
		}
	}
	if c.Media != off && c.Media != "" {
		loopback, err := isLoopback(c.Media)
		if err != nil {
			return Fault{"media", err.Error()}
		}
		if !loopback && c.Open {
			return Fault{"media", fmt.Sprintf("open asks nobody for credentials and so listens on loopback only, not on %s", c.Media)}
		}
	}
	return nil
}
