package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/gateway"
)

// trio is a site of real processes on loopback, three unless a story wants
// another number. What every story needs of one lies here; a story holds only
// what is its own.
type trio struct {
	t          *testing.T
	id, secret string // the first gateway's key pair
	flags      []string
	all        []*box
}

// box is one gateway of a site: a folder, and the process that runs on it.
type box struct {
	*process
	t     *testing.T
	data  string
	name  string // its id when it started last
	flags []string
	down  bool
}

// grown starts a site of n gateways and returns once all that should vote do.
func grown(t *testing.T, n int, flags ...string) *trio {
	t.Helper()
	s := &trio{t: t, flags: flags}
	began := time.Now()
	s.add(s.box())
	first := time.Since(began)
	s.id, s.secret = s.all[0].KeyID, s.all[0].SecretKey
	s.join(n - 1)
	joined := time.Since(began)
	s.settled(n)
	t.Logf("the first of %d took %v, all of them %v, to vote %v", n, first, joined, time.Since(began))
	return s
}

// box is a gateway with a folder of its own that does not run yet.
func (s *trio) box(flags ...string) *box {
	return &box{t: s.t, data: s.t.TempDir(), flags: append(slices.Clone(s.flags), flags...), down: true}
}

// add starts a box as one of the site.
func (s *trio) add(b *box) *box {
	s.t.Helper()
	b.start()
	s.all = append(s.all, b)
	return b
}

// join lets so many new gateways in, at once.
func (s *trio) join(n int) []*box {
	s.t.Helper()
	var fresh []*box
	for range n {
		fresh = append(fresh, s.box("--join", s.up()[0].invite()))
	}
	together(fresh, (*box).start)
	if s.t.Failed() {
		s.t.FailNow()
	}
	s.all = append(s.all, fresh...)
	return fresh
}

// together does something with all boxes at once.
func together(all []*box, do func(*box)) {
	var group sync.WaitGroup
	for _, b := range all {
		group.Go(func() { do(b) })
	}
	group.Wait()
}

// up are the gateways that run.
func (s *trio) up() []*box {
	return slices.DeleteFunc(slices.Clone(s.all), func(b *box) bool { return b.down })
}

// start runs the box's gateway and returns once it takes records.
func (b *box) start() {
	b.t.Helper()
	b.process, b.down = begin(b.t, b.command()), false
	b.name = b.status().ID
}

func (b *box) command() *exec.Cmd {
	folder, err := binary()
	if err != nil {
		b.t.Fatal(err)
	}
	args := append([]string{"serve", "-o", "json", "--data", b.data, "--api", "127.0.0.1:0", "--mqtt", "127.0.0.1:0",
		"--console", "127.0.0.1:0", "--peer", "127.0.0.1:0", "--limits", "off", "--log-level", "error"}, b.flags...)
	return exec.Command(filepath.Join(folder, "headgate"), args...)
}

// kill ends the box's process without a word.
func (b *box) kill() {
	b.down = true
	b.process.kill()
}

// stop ends the box's process as a service manager does, and wants it to end well.
func (b *box) stop() {
	b.t.Helper()
	b.down = true
	if err := b.process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Error(err)
	}
	if err := b.process.cmd.Wait(); err != nil {
		b.t.Errorf("stop: %v", err)
	}
}

// headgate runs the command line on the box's folder and answers what it
// printed and its exit code.
func (b *box) headgate(args ...string) (out string, code int) {
	b.t.Helper()
	folder, err := binary()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	text, err := exec.CommandContext(ctx, filepath.Join(folder, "headgate"), append(args, "--data", b.data)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(text), code
}

// does is headgate for what must succeed.
func (b *box) does(args ...string) string {
	b.t.Helper()
	out, code := b.headgate(args...)
	if code != 0 {
		b.t.Fatalf("headgate %s ended with %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

func (b *box) invite() string { return strings.TrimSpace(b.does("invite")) }

// status asks the box how it is; one that does not answer is an empty status.
func (b *box) status() gateway.Status {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := gateway.Dial(b.data).Status(ctx)
	if err != nil || s.Site == nil {
		return gateway.Status{Site: &gateway.SiteStatus{Fault: fmt.Sprint(err)}}
	}
	return s
}

// get asks the box's console.
func (b *box) get(path string) (int, string) {
	b.t.Helper()
	answer, err := http.Get("http://" + b.Console + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// kinesis is an SDK client of the box with the first gateway's key pair.
func (s *trio) kinesis(b *box, options ...func(*kinesis.Options)) *kinesis.Client {
	return b.client(s.id, s.secret, options...)
}

// device connects an MQTT client to the box.
func (b *box) device(name string) mqtt.Client {
	b.t.Helper()
	device := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + b.MQTT).SetClientID(name).SetAutoReconnect(false).SetWriteTimeout(10 * time.Second))
	if token := device.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		b.t.Fatalf("connect %s: %v", name, token.Error())
	}
	b.t.Cleanup(func() { device.Disconnect(0) })
	return device
}

// until waits for something, and fails with what it said last.
func until(t *testing.T, within time.Duration, what string, holds func() (account string, ok bool)) {
	t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(within); ; <-tick.C {
		account, ok := holds()
		if ok {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("not within %v: %s: %s", within, what, account)
		}
	}
}

// settled waits until every gateway that runs knows n members, of which as
// many vote as should, all of them in reach, whole, and level.
func (s *trio) settled(n int) {
	s.t.Helper()
	voters := min(n, 3)
	if n == 2 {
		voters = 1
	}
	until(s.t, 40*time.Second, fmt.Sprintf("%d gateways, %d voters", n, voters), func() (string, bool) {
		for i, b := range s.up() {
			if why := unsettled(b.status(), n, voters); why != "" {
				return fmt.Sprintf("gateway %d of %d: %s", i, len(s.up()), why), false
			}
		}
		return "", true
	})
}

func unsettled(st gateway.Status, n, voters int) string {
	site := st.Site
	text, _ := json.Marshal(site)
	vote := 0
	for _, m := range site.Members {
		if m.Role == "voter" {
			vote++
		}
		if !m.Reachable || m.Holes || m.Isolated || m.Spooled > 0 {
			return string(text)
		}
	}
	if len(site.Members) != n || vote != voters || site.Leader == "" || !st.Health.Ready {
		return string(text) + st.Health.Why
	}
	return ""
}

// leader is the gateway that leads, and the others.
func (s *trio) leader() (leader *box, followers []*box) {
	s.t.Helper()
	until(s.t, 30*time.Second, "a leader", func() (string, bool) {
		leader, followers = nil, nil
		for _, b := range s.up() {
			if st := b.status(); st.Log.Leading {
				leader = b
			} else {
				followers = append(followers, b)
			}
		}
		return "", leader != nil
	})
	return leader, followers
}
