package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/mongodb"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

const secret = "pass-word-of-the-test"

// collection is a desk for sinktest: one collection of a FerretDB behind a
// door. It looks into it with a client of its own.
type collection struct {
	door *door
	name string
	look *mongo.Collection
}

// ferret starts a server and returns its address.
func ferret(t *testing.T) string {
	t.Helper()
	address, ready := sinktest.FreeAddress(t), sinktest.FreeAddress(t)
	for ready == address { // what is free may be given twice
		ready = sinktest.FreeAddress(t)
	}
	sinktest.Start(t, sinktest.Program{
		Path: sinktest.Peer(t, "ferretdb"), Args: []string{"-listen", address, "-ready", ready, "-data", t.TempDir()}, Ready: "http://" + ready,
	})
	return address
}

func makeCollection(t *testing.T, server, name string) *collection {
	t.Helper()
	client, err := mongo.Connect(options.Client().SetHosts([]string{server}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Disconnect(context.Background()) })
	return &collection{openDoor(t, server), name, client.Database("test").Collection(name)}
}

func (c *collection) config() mongodb.Config {
	return mongodb.Config{Hosts: []string{c.door.address}, Database: "test", Collection: c.name}
}

func open(t *testing.T, c mongodb.Config) firehose.Sink {
	t.Helper()
	s, err := mongodb.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (c *collection) Sink(t *testing.T) firehose.Sink { return open(t, c.config()) }

func (c *collection) all(t *testing.T) []bson.M {
	t.Helper()
	found, err := c.look.Find(context.Background(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var all []bson.M
	if err := found.All(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (c *collection) Documents(t *testing.T) []string {
	var ids []string
	for _, d := range c.all(t) {
		ids = append(ids, fmt.Sprintf("%v/%v", d["batch"], d["n"]))
	}
	return ids
}

// Break takes the right to write away.
func (c *collection) Break(*testing.T) (mend func()) {
	c.door.answer(func(command string) bson.D {
		if command != "insert" {
			return nil
		}
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 13}, {Key: "codeName", Value: "Unauthorized"}, {Key: "errmsg", Value: "not authorized on test to execute command"}}
	})
	return func() { c.door.answer(nil) }
}

func encoder(t *testing.T) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// batch is a sealed batch of the given data, from the given sequence number on.
func batch(t *testing.T, first shardlog.Seq, data ...string) *firehose.Batch {
	b := sinktest.Documents(encoder(t), "own", len(data), 100)
	b.First, b.Last = first, first+shardlog.Seq(len(data))-1
	whole := b.Records
	b.Records = func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			n := 0
			for r, err := range whole(ctx) {
				r.Seq, r.Data = first+shardlog.Seq(n), []byte(data[n])
				r.Arrived = time.UnixMilli(1.7e12 + int64(r.Seq))
				if n++; !yield(r, err) {
					return
				}
			}
		}
	}
	return sinktest.Sealed(b)
}

func deliver(t *testing.T, s firehose.Sink, b *firehose.Batch) firehose.Result {
	t.Helper()
	r := s.Deliver(t.Context(), b)
	if !r.Done() || r.Err != nil {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	return r
}

func TestSink(t *testing.T) {
	server, n := ferret(t), 0
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Exact: true, Poison: "not JSON"}, func(t *testing.T) sinktest.Desk {
		n++
		return makeCollection(t, server, fmt.Sprint("suite", n))
	})
}

// TestServer is what the suite does not ask, against the same real server.
func TestServer(t *testing.T) {
	server, n := ferret(t), 0
	for name, test := range map[string]func(*testing.T, *collection){
		"replay is found there": replay, "answer is lost": lostAnswer, "chunks": chunks, "refused by the server": refusedByServer,
		"unique index": uniqueIndex, "latest of each key": latest, "keys that are none": noKeys, "wrapped": wrapped, "extended JSON": extended,
		"answers": answers, "write errors": writeErrors, "named duplicates": namedDuplicates, "wrong password": wrongPassword, "login is cut": cutLogin, "nobody there": nobody, "closed": closed,
	} {
		n++
		c := makeCollection(t, server, fmt.Sprint("own", n))
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

func replay(t *testing.T, c *collection) {
	b := sinktest.Documents(encoder(t), "again", 20, 200)
	if r := deliver(t, c.Sink(t), b); r.Already || r.Bytes < 20*100 {
		t.Errorf("already %v, %d bytes", r.Already, r.Bytes)
	}
	if r := deliver(t, c.Sink(t), b); !r.Already {
		t.Error("was written twice")
	}
	for _, d := range c.all(t) {
		want := b.DocumentID(firehose.Record{Record: shardlog.Record{Seq: shardlog.Seq(d["n"].(int32))}})
		if d["_id"] != want {
			t.Errorf("_id %v, want %s", d["_id"], want)
		}
	}
}

func lostAnswer(t *testing.T, c *collection) {
	s, b := c.Sink(t), sinktest.Documents(encoder(t), "lost", 20, 200)
	c.door.cutAfter("insert")
	if r := s.Deliver(t.Context(), b); r.Class != firehose.Transient {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	if r := deliver(t, s, b); !r.Already {
		t.Error("was written twice")
	}
	if n := len(c.all(t)); n != 20 {
		t.Errorf("%d documents", n)
	}
}

func chunks(t *testing.T, c *collection) {
	deliver(t, c.Sink(t), sinktest.Documents(encoder(t), "small", 2500, 100))
	if got := len(c.door.sizes("insert")); got != 3 {
		t.Errorf("2,500 documents went in %d chunks", got)
	}
	deliver(t, c.Sink(t), sinktest.Documents(encoder(t), "large", 20, 1<<20))
	for _, size := range c.door.sizes("insert") {
		if size > 5<<20 {
			t.Errorf("a message of %d bytes", size)
		}
	}
	if n := len(c.all(t)); n != 2520 {
		t.Errorf("%d documents", n)
	}
}

// refusedByServer: the server takes no key that begins with a dollar sign.
func refusedByServer(t *testing.T, c *collection) {
	b := batch(t, 11, `{"n":1}`, `{"$no":1}`, `{"n":3}`, `[1]`)
	r := c.Sink(t).Deliver(t.Context(), b)
	if r.Class != firehose.Poison {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	found := map[shardlog.Seq]string{}
	for _, i := range r.Items {
		found[i.Seq] = i.Code
	}
	if len(found) != 2 || found[12] != "2" || found[14] != "NotJSON" {
		t.Errorf("refused %v: %v", r.Items, r.Err)
	}
}

// uniqueIndex: a duplicate of another index is not a record that is there.
func uniqueIndex(t *testing.T, c *collection) {
	unique := mongo.IndexModel{Keys: bson.D{{Key: "serial", Value: 1}}, Options: options.Index().SetUnique(true)}
	if _, err := c.look.Indexes().CreateOne(t.Context(), unique); err != nil {
		t.Fatal(err)
	}
	s, b := c.Sink(t), batch(t, 1, `{"serial":"a"}`, `{"serial":"b"}`, `{"serial":"a"}`)
	for range 2 {
		r := s.Deliver(t.Context(), b)
		if r.Class != firehose.Poison || len(r.Items) != 1 || r.Items[0].Seq != 3 || r.Items[0].Code != "11000" {
			t.Errorf("%s: %v: %v", r.Class, r.Items, r.Err)
		}
	}
	if n := len(c.all(t)); n != 2 {
		t.Errorf("%d documents", n)
	}
}

func latest(t *testing.T, c *collection) {
	config := c.config()
	config.Key = "device.id"
	s := open(t, config)
	old := batch(t, 1, `{"device":{"id":"a"},"v":1}`, `{"device":{"id":"b"},"v":2}`, `{"device":{"id":"a"},"v":3}`)
	fresh := batch(t, 4, `{"device":{"id":"b"},"v":4}`, `{"device":{"id":7},"v":5}`)
	if _, err := c.look.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "b"}, {Key: "v", Value: "somebody's"}}); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*firehose.Batch{old, fresh, old, fresh} {
		deliver(t, s, b)
	}
	if r := deliver(t, s, old); !r.Already {
		t.Error("an old document was written over a later one")
	}
	got := map[any]any{}
	for _, d := range c.all(t) {
		got[d["_id"]] = d["v"]
	}
	if len(got) != 3 || got["a"] != int32(3) || got["b"] != int32(4) || got[int32(7)] != int32(5) {
		t.Errorf("%v", got)
	}
	// An old document before a fresh one: this server stops at the old one.
	deliver(t, s, batch(t, 5, `{"device":{"id":"a"},"v":6}`))
	mixed := batch(t, 1, `{"device":{"id":"b"},"v":1}`, `{"device":{"id":"c"},"v":2}`, `{"device":{"id":"a"},"v":3}`, `{"device":{"id":"d"},"v":4}`)
	deliver(t, s, mixed)
	for _, d := range c.all(t) {
		got[d["_id"]] = d["v"]
	}
	if len(got) != 5 || got["c"] != int32(2) || got["d"] != int32(4) || got["a"] != int32(6) {
		t.Errorf("%v", got)
	}
}

func noKeys(t *testing.T, c *collection) {
	config := c.config()
	config.Key = "id"
	r := open(t, config).Deliver(t.Context(), batch(t, 1, `{"a":1}`, `{"id":null}`, `{"id":[1]}`, `{"id":"x","_id":"y"}`, `{"id":"z"}`))
	if r.Class != firehose.Poison || len(r.Items) != 4 || len(c.all(t)) != 1 {
		t.Errorf("%s: %v: %v", r.Class, r.Items, r.Err)
	}
}

func wrapped(t *testing.T, c *collection) {
	config := c.config()
	config.Wrap = "message"
	deliver(t, open(t, config), batch(t, 1, `plain text`, "\xff\x00", `{"n":1} {"n":2}`, `{"n":3}`))
	got := map[string]any{}
	for _, d := range c.all(t) {
		id := d["_id"].(string)
		got[id[len(id)-1:]] = d["message"]
	}
	if got["1"] != "plain text" || string(got["2"].(bson.Binary).Data) != "\xff\x00" || got["3"] != `{"n":1} {"n":2}` || got["4"] != nil {
		t.Errorf("%v", got)
	}
}

func extended(t *testing.T, c *collection) {
	s := c.Sink(t)
	deliver(t, s, batch(t, 1, `{"at":{"$date":"2026-01-02T03:04:05Z"},"big":3000000000,"f":1.5,"deep":{"list":[1,"x",null]}}`))
	d := c.all(t)[0]
	if d["at"] != bson.DateTime(1767323045000) || d["big"] != int64(3000000000) || d["f"] != 1.5 {
		t.Errorf("%v", d)
	}
	r := s.Deliver(t.Context(), batch(t, 10, `{"at":{"$date":"no date"}}`, `{"a":1e999}`, `{"a\u0000b":1}`, `{"_id":1}`))
	if r.Class != firehose.Poison || len(r.Items) != 4 || r.Items[0].Code != "NotBSON" {
		t.Errorf("%s: %v", r.Class, r.Items)
	}
}

// answers are those of a real MongoDB, whole commands refused.
func answers(t *testing.T, c *collection) {
	for _, one := range []struct {
		code  int
		label string
		text  string
		want  firehose.Class
	}{
		{13, "", "not authorized", firehose.Auth},
		{8000, "", "bad auth : authentication failed", firehose.Auth},
		{8000, "", "you are over your space quota", firehose.Config},
		{73, "", "Invalid namespace", firehose.Config},
		{166, "", "Namespace is a view", firehose.Config},
		{10107, "RetryableWriteError", "not primary", firehose.Transient},
		{91, "RetryableWriteError", "shutdown in progress", firehose.Transient},
		{22, "", "Invalid BSON", firehose.Poison},
		{16500, "", "Request rate is large", firehose.Throttled},
		{462, "SystemOverloadedError", "too many", firehose.Throttled},
		{424242, "", "what nobody has heard of", firehose.Transient},
	} {
		c.door.answer(func(command string) bson.D {
			if command != "insert" {
				return nil
			}
			d := bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: one.code}, {Key: "errmsg", Value: one.text}}
			if one.label != "" {
				d = append(d, bson.E{Key: "errorLabels", Value: bson.A{one.label}})
			}
			return d
		})
		if r := c.Sink(t).Deliver(t.Context(), batch(t, 1, `{"n":1}`)); r.Class != one.want || r.Err == nil {
			t.Errorf("code %d, %s: %s: %v", one.code, one.text, r.Class, r.Err)
		}
	}
}

// writeErrors are those of a real MongoDB, single documents refused.
func writeErrors(t *testing.T, c *collection) {
	failed := func(codes ...int) bson.A {
		var all bson.A
		for i, code := range codes {
			all = append(all, bson.D{{Key: "index", Value: i + 1}, {Key: "code", Value: code}, {Key: "errmsg", Value: "no"}})
		}
		return all
	}
	for _, one := range []struct {
		name  string
		field bson.E
		want  firehose.Class
		items int
	}{
		{"validation", bson.E{Key: "writeErrors", Value: failed(121)}, firehose.Poison, 1},
		{"two of them", bson.E{Key: "writeErrors", Value: failed(121, 2)}, firehose.Poison, 2},
		{"with one that may pass", bson.E{Key: "writeErrors", Value: failed(121, 1)}, firehose.Transient, 0},
		{"write concern", bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}}, firehose.Transient, 0},
		{"no such majority", bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 100}, {Key: "errmsg", Value: "not enough members"}}}, firehose.Config, 0},
	} {
		c.door.answer(func(command string) bson.D {
			if command != "insert" {
				return nil
			}
			refused, _ := one.field.Value.(bson.A)
			return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 3 - len(refused)}, one.field}
		})
		r := c.Sink(t).Deliver(t.Context(), batch(t, 1, `{"n":1}`, `{"n":2}`, `{"n":3}`))
		if r.Class != one.want || len(r.Items) != one.items || one.items > 0 && r.Items[0].Seq != 2 {
			t.Errorf("%s: %s: %v: %v", one.name, r.Class, r.Items, r.Err)
		}
	}
}

// namedDuplicates: MongoDB names the index, so that nobody needs to be asked
// whether the document is there.
func namedDuplicates(t *testing.T, c *collection) {
	for field, want := range map[string]firehose.Class{"_id": firehose.Delivered, "serial": firehose.Poison} {
		c.door.answer(func(command string) bson.D {
			if command != "insert" {
				return nil
			}
			twice := bson.D{{Key: "index", Value: 0}, {Key: "code", Value: 11000}, {Key: "keyPattern", Value: bson.D{{Key: field, Value: 1}}}, {Key: "errmsg", Value: "E11000"}}
			return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}, {Key: "writeErrors", Value: bson.A{twice}}}
		})
		asked := len(c.door.sizes("find"))
		r := c.Sink(t).Deliver(t.Context(), batch(t, 1, `{"n":1}`))
		if r.Class != want || r.Already != (field == "_id") || (len(c.door.sizes("find")) > asked) != (field != "_id") {
			t.Errorf("%s: %s, already %v: %v", field, r.Class, r.Already, r.Err)
		}
	}
}

func wrongPassword(t *testing.T, c *collection) {
	c.door.answer(func(command string) bson.D {
		if command != "saslStart" {
			return nil
		}
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 18}, {Key: "codeName", Value: "AuthenticationFailed"}, {Key: "errmsg", Value: "Authentication failed."}}
	})
	config := c.config()
	config.Username, config.Password, config.Mechanism = "somebody", secret, "SCRAM-SHA-256"
	s := open(t, config)
	for what, r := range map[string]firehose.Result{"deliver": s.Deliver(t.Context(), batch(t, 1, `{"n":1}`)), "probe": s.Probe(t.Context())} {
		if r.Class != firehose.Auth || strings.Contains(r.Err.Error(), secret) {
			t.Errorf("%s: %s: %v", what, r.Class, r.Err)
		}
	}
}

// cutLogin: a link that breaks while we introduce ourselves says nothing about
// who we are.
func cutLogin(t *testing.T, c *collection) {
	config := c.config()
	config.Username, config.Password, config.Mechanism = "somebody", secret, "SCRAM-SHA-256"
	c.door.cutAfter("saslStart")
	if r := open(t, config).Deliver(t.Context(), batch(t, 1, `{"n":1}`)); r.Class != firehose.Transient {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	if len(c.door.sizes("saslStart")) == 0 {
		t.Error("nothing was cut")
	}
}

func nobody(t *testing.T, c *collection) {
	config := c.config()
	config.Hosts = []string{sinktest.FreeAddress(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s := open(t, config)
	for what, r := range map[string]firehose.Result{"deliver": s.Deliver(ctx, batch(t, 1, `{"n":1}`)), "probe": s.Probe(ctx)} {
		if r.Class != firehose.Transient || r.Err == nil {
			t.Errorf("%s: %s: %v", what, r.Class, r.Err)
		}
	}
}

func closed(t *testing.T, c *collection) {
	s := c.Sink(t)
	deliver(t, s, batch(t, 1, `{"n":1}`))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := s.Deliver(t.Context(), batch(t, 2, `{"n":2}`)); r.Done() {
		t.Error("delivered after Close")
	}
}

func TestConfig(t *testing.T) {
	good := mongodb.Config{Hosts: []string{"a.example:27017", "b.example:27017"}, ReplicaSet: "rs", Database: "d", Collection: "c", Username: "u", Password: secret}
	if s, err := mongodb.Open(good); err != nil || strings.Contains(s.String(), secret) || s.String() != "mongodb://a.example:27017,b.example:27017/d.c" {
		t.Errorf("%v: %v", s, err)
	}
	for name, change := range map[string]func(*mongodb.Config){
		"no host":         func(c *mongodb.Config) { c.Hosts = nil },
		"a URI":           func(c *mongodb.Config) { c.Hosts = []string{"mongodb+srv://u:" + secret + "@cluster.example"} },
		"no port":         func(c *mongodb.Config) { c.Hosts = []string{"a.example"} },
		"no database":     func(c *mongodb.Config) { c.Database = "" },
		"dotted database": func(c *mongodb.Config) { c.Database = "a.b" },
		"no collection":   func(c *mongodb.Config) { c.Collection = "" },
		"system's":        func(c *mongodb.Config) { c.Collection = "system.users" },
		"direct to two":   func(c *mongodb.Config) { c.Direct = true },
		"password alone":  func(c *mongodb.Config) { c.Username = "" },
		"key":             func(c *mongodb.Config) { c.Key = "a..b" },
		"wrap":            func(c *mongodb.Config) { c.Wrap = "_id" },
		"mechanism":       func(c *mongodb.Config) { c.Mechanism = "MAGIC" },
	} {
		c := good
		change(&c)
		_, err := mongodb.Open(c)
		if shardlog.KindOf(err) != shardlog.Invalid || strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var e *shardlog.Error
	if _, err := mongodb.Open(mongodb.Config{}); !errors.As(err, &e) {
		t.Error(err)
	}
}
