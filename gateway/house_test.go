package gateway_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "headgate/"

// rooms is the import table of DESIGN.md §2: who may import whom. A pattern
// is a path.Match pattern below the module; the first row that matches a
// package is its row. A package without a row fails the test.
var rooms = []struct {
	room string
	may  []string
}{
	{"shardlog", nil},
	{"shardlog/keyspace", []string{"shardlog"}},
	{"shardlog/block", []string{"shardlog"}},
	{"shardlog/quota", []string{"shardlog"}},
	{"shardlog/capacity", []string{"shardlog", "shardlog/keyspace", "shardlog/quota"}}, // pure, as its neighbours are
	{"shardlog/store", []string{"shardlog", "shardlog/block", "shardlog/keyspace"}},
	{"shardlog/streams", []string{"shardlog", "shardlog/block", "shardlog/capacity", "shardlog/keyspace", "shardlog/quota"}},
	{"shardlog/shardlogtest", []string{"shardlog", "shardlog/block", "shardlog/keyspace", "shardlog/quota"}},
	{"sync/*", []string{"shardlog", "shardlog/block"}},
	{"ingest", []string{"ingest/decode", "shardlog"}},
	{"ingest/decode", []string{"shardlog"}}, // pure: routes look into payloads
	{"ingest/*", []string{"ingest", "ingest/decode", "ingest/chunk", "ingest/track", "ingest/downlink", "ingest/intake", "ingest/iotsql", "shardlog", "shardlog/quota"}}, // track: what doors for media have in common; downlink, intake: what doors send and take; iotsql: the language of rules
	{"firehose", []string{"shardlog"}},
	{"firehose/transform", []string{"firehose", "firehose/transform/*", "shardlog"}},
	{"firehose/transform/*", []string{"shardlog"}},
	{"firehose/*", []string{"firehose", "shardlog", "shardlog/quota"}},
	{"firehose/sink/internal/*", []string{"firehose", "shardlog"}},
	{"firehose/sink/*", []string{"firehose", "firehose/sink/internal/*", "shardlog", "shardlog/quota"}},
	{"gateway/awsapi", []string{"shardlog"}},
	{"gateway/access", []string{"shardlog"}},
	{"gateway/iotapi", []string{"gateway/awsapi", "ingest/shadow", "shardlog"}}, // tells of shadows what their room tells
	{"gateway/*", []string{"gateway/awsapi", "gateway/access", "shardlog", "shardlog/quota", "shardlog/keyspace", "shardlog/capacity", "firehose", "ingest/chunk"}},
	{"gateway", []string{"shardlog*", "shardlog/*", "sync/*", "ingest", "ingest/*", "firehose", "firehose/*", "firehose/sink/*", "firehose/transform/*", "gateway/*"}},
	{"cmd/headgate", []string{"gateway", "firmware-sim/fleet"}}, // `headgate demo` brings its own devices
	{"cmd/firmware-sim", []string{"firmware-sim/*"}},
	{"firmware-sim/*", []string{"firmware-sim/*"}},
	{"deploy/bench/*", []string{"shardlog*", "shardlog/*", "sync/*", "firmware-sim/*", "deploy/bench/internal/*"}}, // benches measure rooms from outside
	{"deploy/bench/internal/*", []string{"shardlog/store", "sync/raftgroup"}},
	{"deploy/fixture", nil},
	{"deploy/lab", nil},
	{"deploy/lab/site", []string{"deploy/lab"}},
	{"deploy/prove/internal/*", []string{"firmware-sim/*"}},
	{"deploy/prove/proofs/*", []string{"firmware-sim/*", "deploy/lab", "deploy/prove/proofs/histories/history", "deploy/prove/internal/*"}}, // proofs use the binary, as users do
	{"deploy/prove/proofs/histories/history", nil},
	{"deploy/prove/simulation", nil}, // a test alone
}

// libraries says which package imports which third-party module. A module has
// one importer, so that replacing it is the work of one room.
var libraries = []struct {
	library string
	users   []string
}{
	{"github.com/klauspost/compress", []string{"shardlog/block", "firehose/encode", "firehose/sink/internal/post", "deploy/prove/proofs/*"}}, // blocks, delivered objects and bodies are compressed alike
	{"github.com/cockroachdb/pebble/v2", []string{"shardlog/store", "deploy/bench/*"}},
	{"github.com/hashicorp/raft", []string{"sync/raftgroup"}},
	{"github.com/hashicorp/go-hclog", []string{"sync/raftgroup"}},
	{"github.com/mochi-mqtt/server/v2", []string{"ingest/mqtt"}},
	{"github.com/gorilla/websocket", []string{"ingest/mqtt"}},
	{"github.com/aws/aws-sdk-go-v2", []string{"firehose/sink/s3", "firehose/sink/internal/awsjson", "deploy/bench/*", "deploy/bench/internal/*", "deploy/prove/proofs/*", "deploy/prove/internal/*", "deploy/fixture"}},
	{"github.com/aws/smithy-go", []string{"deploy/prove/proofs/*"}},
	{"go.mongodb.org/mongo-driver/v2", []string{"firehose/sink/mongodb"}},
	{"github.com/jackc/pgx/v5", []string{"firehose/sink/redshift"}},
	{"github.com/goccy/go-yaml", []string{"gateway", "firmware-sim/scenario"}}, // configuration; stories of devices
	{"github.com/prometheus/client_golang", []string{"gateway"}},
	{"github.com/bluenviron/gortsplib/v5", []string{"ingest/rtsp", "ingest/track"}},        // the client; the depacketizers
	{"github.com/bluenviron/mediacommon/v2", []string{"gateway/playback", "ingest/track"}}, // MP4; what bitstreams say of themselves
	{"golang.org/x/crypto", []string{"gateway/devices"}},                                   // Argon2id
	{"rsc.io/qr", []string{"gateway/devices"}},                                             // claim codes to be scanned
	{"golang.org/x/image", []string{"gateway/playback"}},                                   // VP8 stills
	{"github.com/spf13/cobra", []string{"cmd/*"}},
	{"github.com/spf13/pflag", []string{"cmd/*"}},
	{"github.com/eclipse/paho.golang", []string{"firehose/sink/mqtt", "firmware-sim/*"}}, // MQTT 5
	{"github.com/eclipse/paho.mqtt.golang", []string{"firmware-sim/fleet", "firmware-sim/receiver", "deploy/bench/*", "deploy/fixture"}},
	{"golang.org/x/sync", []string{"shardlog/*", "sync/*", "ingest/*", "firehose/*", "gateway", "gateway/*", "firmware-sim/*", "cmd/*", "deploy/bench/*", "deploy/bench/internal/*", "deploy/prove/proofs/*"}}, // errgroup: how every Run owns its goroutines
	{"github.com/pion", []string{"ingest/webrtc", "ingest/track", "ingest/rtsp", "firmware-sim/camera"}},                                                                                                       // packets, sessions: what media come in
	{"github.com/twmb/franz-go", []string{"firehose/sink/kafka"}},
	{"github.com/anishathalye/porcupine", []string{"deploy/prove/proofs/histories/history"}},
	{"github.com/tidwall/gjson", []string{"firehose/transform", "firehose/transform/predicate"}}, // looks into JSON, in conditions and in edits
	{"github.com/tidwall/sjson", []string{"firehose/transform"}},
	{"github.com/itchyny/gojq", []string{"firehose/transform"}},
	{"github.com/parquet-go/parquet-go", []string{"firehose/encode"}},
	{"google.golang.org/protobuf", []string{"ingest/otlp", "ingest/decode"}},                                                        // protowire: fields on the wire, without a tree
	{"golang.org/x/net", []string{"firehose/uplink"}},                                                                               // SOCKS5
	{"golang.org/x/sys", []string{"shardlog/store", "gateway", "firehose/transform/lambda", "deploy/lab", "deploy/prove/proofs/*"}}, // what package syscall lacks
}

// banned are packages that no code of ours imports outside tests. Templates
// look methods up by name and so switch off dead-code elimination; the others
// are interpreters that a delivery does not need.
var banned = []string{"text/template", "html/template", "github.com/expr-lang", "github.com/dop251", "expvar", "unsafe"}

// topLevel is what may lie at the top of the repository, besides hidden files.
var topLevel = []string{"cmd", "gateway", "ingest", "shardlog", "sync", "firehose", "firmware-sim", "deploy",
	"go.mod", "go.sum", "README.md", "LICENSE", "Makefile"}

func TestRoomsImportOnlyWhatTheirRowAllows(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		row := slices.IndexFunc(rooms, func(r struct {
			room string
			may  []string
		}) bool {
			return matches(r.room, f.pkg)
		})
		if row < 0 {
			t.Errorf("%s: package %s has no row in the import table", f.name, f.pkg)
			continue
		}
		for _, imported := range f.imports {
			if fault := fault(f.pkg, imported, rooms[row].may); fault != "" {
				t.Errorf("%s imports %s: %s", f.name, imported, fault)
			}
		}
	}
}

// fault says what is wrong when the package imports that, "" for nothing.
func fault(pkg, imported string, may []string) string {
	for _, b := range banned {
		if imported == b || strings.HasPrefix(imported, b+"/") {
			return "banned"
		}
	}
	if inside, ok := strings.CutPrefix(imported, module); ok {
		if !slices.ContainsFunc(may, func(p string) bool { return matches(p, inside) }) {
			return "the import table does not allow it"
		}
		return ""
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return ""
	}
	for _, l := range libraries {
		if imported == l.library || strings.HasPrefix(imported, l.library+"/") {
			if !slices.ContainsFunc(l.users, func(p string) bool { return matches(p, pkg) }) {
				return "only " + strings.Join(l.users, ", ") + " may use this library"
			}
			return ""
		}
	}
	return "the list of libraries does not have it"
}

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s does not belong at the top of the repository", e.Name())
		}
	}
}

// goFile is one Go file of the house, by its path below the module.
type goFile struct {
	name, pkg string
	test      bool
	imports   []string
}

// goFiles lists the files of this module; folders with a go.mod of their own
// hold peers and tools for benchmarks and are not part of it.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); base != ".." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != ".." {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator)))
		f := goFile{name: rel, pkg: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go")}
		for _, i := range file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
