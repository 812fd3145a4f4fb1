package gateway_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/gateway"
)

func load(t *testing.T, text string, env, flags map[string]string) (gateway.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "headgate.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	c, err := gateway.Load(file, lookup, flags)
	if err != nil {
		err = errorText(strings.ReplaceAll(err.Error(), filepath.Dir(file)+string(filepath.Separator), ""))
	}
	return c, err
}

type errorText string

func (e errorText) Error() string { return string(e) }

func TestFlagsGoOverEnvironmentOverFile(t *testing.T) {
	c, err := load(t, "api: 127.0.0.1:1\nmqtt: 127.0.0.1:2\nconsole: 127.0.0.1:3\n",
		map[string]string{"HEADGATE_MQTT": "127.0.0.1:22", "HEADGATE_CONSOLE": "127.0.0.1:33", "HEADGATE_LOG_LEVEL": "debug"},
		map[string]string{"console": "off", "limits": "2x"})
	if err != nil {
		t.Fatal(err)
	}
	if c.API != "127.0.0.1:1" || c.MQTT != "127.0.0.1:22" || c.Console != "off" || c.Log.Level != "debug" || c.Limits != 2 {
		t.Fatalf("%+v", c)
	}
	if len(c.Streams) != 1 || c.Streams[0].Name != "telemetry" || c.Streams[0].Shards != 4 {
		t.Fatalf("default streams are lost: %+v", c.Streams)
	}
}

func TestConfigReadsEverySection(t *testing.T) {
	c, err := load(t, `
budget: 1.5 GiB
profile: flash
limits: off
log:
  level: warn
streams:
  - name: lines
    shards: 16
    retention: 7d
routes:
  - topic: plant/+/press
    stream: lines
    key: "{topic.2}"
deliveries:
  - name: archive
    stream: lines
    interval: 60s
    size: 5MB
    s3:
      bucket: b
      endpoint: http://127.0.0.1:9000
      path_style: true
      access_key: {env: KEY}
      secret_key: {file: /run/secret}
`, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := c.Deliveries[0]
	if len(c.Streams) != 1 || c.Log.Format != "text" || c.Log.Level != "warn" {
		t.Fatalf("%+v", c)
	}
	if c.Budget != 3<<29 || c.Profile.SyncsPerSecond() != 4 || c.Limits != 0 || time.Duration(c.Streams[0].Retention) != 168*time.Hour ||
		d.Size != 5_000_000 || d.S3.AccessKey.Env != "KEY" || d.S3.SecretKey.File != "/run/secret" || time.Duration(*d.Interval) != time.Minute {
		t.Fatalf("%+v", c)
	}
}

func TestConfigFaultsSayWhere(t *testing.T) {
	for _, test := range []struct {
		text  string
		flags map[string]string
		env   map[string]string
		want  string
	}{
		{text: "api: 127.0.0.1:1\nconsoel: x\n", want: `headgate.yaml:2:1: there is no setting "consoel", did you mean "console"?`},
		{text: "log:\n  levle: x\n", want: `headgate.yaml:2:3: there is no setting "levle", did you mean "level"?`},
		{text: "zzzzzzz: 1\n", want: `headgate.yaml:1:1: there is no setting "zzzzzzz"` + "\n"},
		{text: "open: perhaps\n", want: "headgate.yaml:1:7: true or false is wanted here"},
		{text: "streams: 5\n", want: "headgate.yaml:1:10:"},
		{text: "budget: a lot\n", want: `headgate.yaml:1:9: "a lot" is no number of bytes`},
		{text: "log: {level: loud}\n", want: `headgate.yaml:1:14: log.level: "loud" is no level`},
		{text: "streams:\n  - name: a\n  - name: a\n", want: "headgate.yaml:3:11: streams[1].name: a stands here twice"},
		{text: "streams:\n  - name: _own\n", want: "headgate.yaml:2:11: streams[0].name"},
		{text: "routes:\n  - topic: a/#/b\n", want: "headgate.yaml:2:"},
		{text: "routes:\n  - topic: a/b\n    key: \"{nobody}\"\n", want: "headgate.yaml:2:"},
		{text: "routes:\n  - topic: a\n    decode: xml\n", want: "headgate.yaml:2:10: routes[0]: compile route a: invalid: decode \"xml\""},
		{text: "routes:\n  - preset: lora\n", want: "headgate.yaml:2:13: routes[0].preset: \"lora\" is not known"},
		{text: "routes:\n  - stream: s\n", want: "headgate.yaml:2:11: routes[0].topic: say which topics"},
		{text: "routes:\n  - topic: a\n    stream: \"s-{topic.1}\"\n", want: "headgate.yaml:3:13: routes[0].stream: s-{topic.1} is a template: list in auto_create.streams"},
		{text: "routes:\n  - topic: a\n    key: \"{topic.1|upper}\"\n", want: "headgate.yaml:2:10: routes[0]: compile template: invalid: \"{topic.1|upper}\": there is no modifier |upper"},
		{text: "auto_create: {streams: [\"a b*\"]}\n", want: "headgate.yaml:1:14: auto_create: compile routes: invalid: pattern \"a b*\""},
		{text: "auto_create: {max: 2000}\n", want: "headgate.yaml:1:14: auto_create: compile routes: invalid: 2000 streams"},
		{text: "deliveries:\n  - name: d\n    stream: s\n", want: "headgate.yaml:2:"},
		{text: "deliveries:\n  - name: d\n    stream: s\n    s3: {bucket: b, secret_key: {}}\n", want: "headgate.yaml:4:"},
		{text: "functions:\n  - name: f\n    command: [bootstrap]\n", want: "headgate.yaml:2:9: functions[0]: open function: invalid: f needs a command with an absolute path"},
		{text: "functions:\n  - name: f\n", want: "headgate.yaml:2:9: functions[0].command: give it a command or a url"},
		{text: "api: 0.0.0.0:4567\n", want: "headgate.yaml:1:6: api: 0.0.0.0:4567 is not loopback"},
		{text: "open: true\nmedia: 0.0.0.0:8189\n", want: "headgate.yaml:2:8: media: open asks nobody"},
		{text: "open: true\napi_tls: 0.0.0.0:4568\n", want: "headgate.yaml:2:10: api_tls: open asks nobody"},
		{text: "tls: {certificate: a.pem}\n", want: "headgate.yaml:1:"},
		{text: "cameras:\n  - name: a b\n", want: "headgate.yaml:2:11: cameras[0].name"},
		{text: "cameras:\n  - name: a\n  - name: a\n", want: "headgate.yaml:3:11: cameras[1].name: a is there twice"},
		{text: "cameras:\n  - name: a\n    rtsp: {url: \"rtsp://user:pass@camera/\"}\n", want: "headgate.yaml:3:11: cameras[0].rtsp: leave credentials out"},
		{text: "streams:\n  - name: a\ncameras:\n  - name: a\n", want: "headgate.yaml:2:11: streams[0].name: a is a camera's"},
		{text: "api: [1\n", want: "headgate.yaml:1:6:"},
		{text: "open: true\n---\nopen: false\n", want: "headgate.yaml:3:5: a second document"},
		{flags: map[string]string{"api": "1.2.3.4:1", "open": "true", "insecure-lan": "true"}, want: "--api: open asks nobody"},
		{env: map[string]string{"HEADGATE_LIMITS": "some"}, want: `HEADGATE_LIMITS: "some" is no limit`},
		{env: map[string]string{"HEADGATE_MQTT": "nowhere"}, want: `HEADGATE_MQTT: "nowhere" is no address`},
	} {
		_, err := load(t, test.text, test.env, test.flags)
		if err == nil || !strings.HasPrefix(err.Error()+"\n", test.want) {
			t.Errorf("%q %v %v:\n got %v\nwant %s", test.text, test.flags, test.env, err, test.want)
		}
	}
}

func TestInsecureLANAllowsTheAddress(t *testing.T) {
	c, err := load(t, "mqtt: 0.0.0.0:1883\ninsecure_lan: true\n", nil, nil)
	if err != nil || !c.InsecureLAN {
		t.Fatal(err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("api: 127.0.0.1:1\nstreams: [{name: a, shards: 2}]\n")
	f.Add("deliveries:\n  - name: d\n    stream: s\n    s3: {bucket: b}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := load(t, text, nil, nil)
		if err == nil && c.Validate() != nil {
			t.Fatal("loaded a configuration that is not valid")
		}
	})
}
