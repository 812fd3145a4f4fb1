package gateway

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxConfig bounds the configuration file.
const maxConfig = 1 << 20

// Setting is one value that the environment (HEADGATE_NAME) and the command
// line (--name) may give over the file.
type Setting struct {
	Name  string // with dashes
	Help  string
	Bool  bool
	apply func(*Config, string) error
}

// Env is the setting's name in the environment.
func (s Setting) Env() string {
	return "HEADGATE_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Settings are all settings, in the order in which help should show them.
func Settings() []Setting {
	text := func(field func(*Config) *string) func(*Config, string) error {
		return func(c *Config, v string) error { *field(c) = v; return nil }
	}
	return []Setting{
		{"data", "folder that holds the log and everything else that is written", false, text(func(c *Config) *string { return &c.Data })},
		{"api", "address of the AWS APIs, or off", false, text(func(c *Config) *string { return &c.API })},
		{"api-tls", "address of the AWS APIs over TLS, HTTP/2 and HTTP/1.1, or off (default off; 127.0.0.1:4568)", false, text(func(c *Config) *string { return &c.APITLS })},
		{"mqtt", "address of the MQTT broker, or off", false, text(func(c *Config) *string { return &c.MQTT })},
		{"mqtts", "address of the MQTT broker over TLS, for devices with an identity, or off (default off; 127.0.0.1:8883)", false, text(func(c *Config) *string { return &c.MQTTS })},
		{"console", "address of health, readiness and metrics, or off", false, text(func(c *Config) *string { return &c.Console })},
		{"https", "address of the console over TLS, or off: phones publish by it (default off)", false, text(func(c *Config) *string { return &c.HTTPS })},
		{"media", "address of WebRTC's media, UDP and TCP, or off (default off; 127.0.0.1:8189)", false, text(func(c *Config) *string { return &c.Media })},
		{"collect", "address of records by HTTP: pages, OTLP, Influx line protocol, or off (default off; 127.0.0.1:4318)", false, text(func(c *Config) *string { return &c.Collect })},
		{"syslog-tls", "address of syslog over TLS, for devices with a certificate, or off (default off; 127.0.0.1:6514)", false, text(func(c *Config) *string { return &c.SyslogTLS })},
		{"syslog", "address of syslog, UDP and TCP, or off (default off; 127.0.0.1:5514)", false, text(func(c *Config) *string { return &c.Syslog })},
		{"peer", "address for the other gateways of the site, or off", false, text(func(c *Config) *string { return &c.Peer })},
		{"peer-address", "where the other gateways find this one, if not at --peer itself", false, text(func(c *Config) *string { return &c.PeerAddress })},
		{"join", "code of headgate invite, to join a site at the first start", false, text(func(c *Config) *string { return &c.Join })},
		{"replace", "how long a gateway that votes may be away before another takes its place (default 5m)", false, parsed(func(c *Config) *Duration { return &c.Replace }, ParseDuration)},
		{"spool-budget", "bytes kept while there is no quorum (default 1GiB)", false, parsed(func(c *Config) *Bytes { return &c.Spool.Budget }, ParseBytes)},
		{"spool-full", "what a full spool does: refuse or drop-oldest", false, text(func(c *Config) *string { return &c.Spool.Full })},
		{"spool-grace", "how long the quorum may be lost before records go to the spool (default 5s)", false, parsed(func(c *Config) *Duration { return &c.Spool.Grace }, ParseDuration)},
		{"open", "development: loopback without credentials", true, parsed(func(c *Config) *bool { return &c.Open }, parseBool)},
		{"insecure-lan", "allow plain listeners beyond loopback (shown in status)", true, parsed(func(c *Config) *bool { return &c.InsecureLAN }, parseBool)},
		{"limits", "kinesis, off, or a multiple such as 2x", false, parsed(func(c *Config) *Limits { return &c.Limits }, ParseLimits)},
		{"on-demand-window", "how long a shard of an on-demand stream must be busy until it is split (default 1m)", false, parsed(func(c *Config) *Duration { return &c.OnDemandWindow }, ParseDuration)},
		{"profile", "how often the disk may be synced: default (40 times a second), flash (4) or ssd (whenever writers pause)", false, parsed(func(c *Config) *Profile { return &c.Profile }, ParseProfile)},
		{"budget", "bytes the log may take on disk, 20GiB (default: 80 % of the volume)", false, parsed(func(c *Config) *Bytes { return &c.Budget }, ParseBytes)},
		{"memory", "soft limit of memory (default: GOMEMLIMIT, else 160MiB)", false, parsed(func(c *Config) *Bytes { return &c.Memory }, ParseBytes)},
		{"log-level", "debug, info, warn or error", false, text(func(c *Config) *string { return &c.Log.Level })},
		{"log-format", "text or json", false, text(func(c *Config) *string { return &c.Log.Format })},
	}
}

func parsed[T any](field func(*Config) *T, parse func(string) (T, error)) func(*Config, string) error {
	return func(c *Config, v string) error {
		value, err := parse(v)
		if err == nil {
			*field(c) = value
		}
		return err
	}
}

func parseBool(text string) (bool, error) {
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", text)
	}
	return v, nil
}

// Load is Defaults, then the file (none when its name is empty), then the
// environment as lookup knows it, then what the command line gave by
// setting's name. What it returns is valid. Its errors say where the fault
// is: file with line and column, variable or flag.
func Load(file string, lookup func(string) (string, bool), flags map[string]string) (Config, error) {
	c := Defaults()
	var source []byte
	if file != "" {
		var err error
		if source, err = readConfig(file); err != nil {
			return c, err
		}
		if err := decode(file, source, &c); err != nil {
			return c, err
		}
	}
	origins := map[string]string{}
	for _, s := range Settings() {
		value, from := "", ""
		if v, ok := lookup(s.Env()); ok {
			value, from = v, s.Env()
		}
		if v, ok := flags[s.Name]; ok {
			value, from = v, "--"+s.Name
		}
		if from == "" {
			continue
		}
		if err := s.apply(&c, value); err != nil {
			return c, fmt.Errorf("%s: %w", from, err)
		}
		origins[settingPath.Replace(s.Name)] = from
	}
	return c, locate(c.Validate(), file, source, origins)
}

// settingPath turns a setting's name into its path in the file.
var settingPath = strings.NewReplacer("log-", "log.", "spool-", "spool.")

func readConfig(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	source, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(source) > maxConfig {
		return nil, fmt.Errorf("read configuration: %s has more than %d bytes", name, maxConfig)
	}
	return source, nil
}

// decode reads the one document of a file into a struct of settings.
func decode(file string, source []byte, c any) error {
	tree, err := parser.ParseBytes(source, 0)
	if err != nil {
		return decodeFault(file, err)
	}
	switch documents := withBody(tree); len(documents) {
	case 0:
		return nil // nothing but comments
	case 1:
		if err := yaml.NodeToValue(documents[0], c, yaml.Strict()); err != nil {
			return decodeFault(file, err)
		}
		return nil
	default:
		at := documents[1].GetToken().Position
		return fmt.Errorf("%s:%d:%d: a second document begins here, one is wanted", file, at.Line, at.Column)
	}
}

func withBody(tree *ast.File) []ast.Node {
	var bodies []ast.Node
	for _, d := range tree.Docs {
		if d.Body != nil && d.Body.Type() != ast.NullType && d.Body.Type() != ast.CommentType {
			bodies = append(bodies, d.Body)
		}
	}
	return bodies
}

// decodeFault puts the library's error into our words.
func decodeFault(file string, err error) error {
	var fault yaml.Error
	if !errors.As(err, &fault) {
		return fmt.Errorf("%s: %w", file, err)
	}
	message := fault.GetMessage()
	var unknown *yaml.UnknownFieldError
	var mismatch *yaml.TypeError
	var node *yaml.UnexpectedNodeTypeError
	switch {
	case errors.As(err, &unknown):
		message = fmt.Sprintf("there is no setting %q", unknown.Token.Value)
		if near := nearest(unknown.Token.Value, keysOf(reflect.TypeFor[Config]())); near != "" {
			message += fmt.Sprintf(", did you mean %q?", near)
		}
	case errors.As(err, &mismatch):
		message = fmt.Sprintf("%s is wanted here", wanted(mismatch.DstType))
	case errors.As(err, &node):
		message = fmt.Sprintf("%s stands where %s is wanted", node.Actual.YAMLName(), node.Expected.YAMLName())
	}
	return positioned(file, message, fault)
}

// positioned is "file:line:column: message" with the lines around it.
func positioned(file, message string, fault yaml.Error) error {
	at := fault.GetToken().Position
	text := fmt.Sprintf("%s:%d:%d: %s", file, at.Line, at.Column, message)
	if _, excerpt, ok := strings.Cut(fault.FormatError(false, true), "\n"); ok {
		text += "\n" + strings.TrimRight(excerpt, "\n ")
	}
	return errors.New(text)
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	}
	return "a section of settings"
}

// locate says where a Fault stands: at a flag, a variable, or in the file.
func locate(err error, file string, source []byte, origins map[string]string) error {
	var fault Fault
	if !errors.As(err, &fault) {
		return err
	}
	if from, ok := origins[strings.ReplaceAll(fault.Path, "_", "-")]; ok {
		return fmt.Errorf("%s: %s", from, fault.Message)
	}
	if source == nil {
		return fault
	}
	tree, err := parser.ParseBytes(source, 0)
	if err != nil {
		return fault
	}
	for where := fault.Path; where != ""; {
		if path, err := yaml.PathString("$." + where); err == nil {
			if node, err := path.FilterFile(tree); err == nil && node != nil {
				return positioned(file, fault.Error(), &yaml.SyntaxError{Message: fault.Error(), Token: node.GetToken()})
			}
		}
		cut := strings.LastIndexAny(where, ".[")
		where = where[:max(cut, 0)]
	}
	return fmt.Errorf("%s: %w", file, fault)
}

// keysOf lists the names of all settings below a struct type.
func keysOf(t reflect.Type) []string {
	var keys []string
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "-" && !strings.HasPrefix(name, ",") {
			keys = append(keys, name)
		}
		keys = append(keys, keysOf(t.Field(i).Type)...)
	}
	return keys
}

// nearest is the candidate that a slip of the finger turns into the word, ""
// when none is near.
func nearest(word string, candidates []string) string {
	best, least := "", 1+len(word)/3
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(strings.ToLower(word), c); d <= least && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
