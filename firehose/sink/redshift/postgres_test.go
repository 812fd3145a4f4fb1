package redshift_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"headgate/firehose/sinktest"
)

const (
	loader   = "loader"
	secret   = "pass-word-of-the-test"
	database = "warehouse"
	nobodys  = 65534 // PostgreSQL does not run as root
)

// postgres is a running PostgreSQL with a database and a user that loads.
type postgres struct{ address string }

// program finds a program of PostgreSQL; Debian keeps them out of the way.
func program(t testing.TB, name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(all) > 0 {
		return all[len(all)-1]
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not there: apt-get install postgresql", name)
	}
	t.Skipf("%s is not there: apt-get install postgresql", name)
	return ""
}

// startPostgres starts a server on a loopback port. It ends with the test.
func startPostgres(t testing.TB) *postgres {
	t.Helper()
	initdb, server := program(t, "initdb"), program(t, "postgres")
	folder, err := os.MkdirTemp("", "headgate-postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	attributes := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: nobodys, Gid: nobodys}
		if err := os.Chown(folder, nobodys, nobodys); err != nil {
			t.Fatal(err)
		}
	}
	password := filepath.Join(folder, "password")
	if err := os.WriteFile(password, []byte(secret+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(folder, "data")
	first := exec.Command(initdb, "-D", data, "-U", loader+"_admin", "-A", "md5", "--pwfile", password, "-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	first.SysProcAttr, first.Dir = attributes, folder
	if out, err := first.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p := &postgres{sinktest.FreeAddress(t)}
	_, port, _ := bytes.Cut([]byte(p.address), []byte(":"))
	ctx, cancel := context.WithCancel(context.Background())
	run := exec.CommandContext(ctx, server, "-D", data, "-h", "127.0.0.1", "-p", string(port), "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "password_encryption=md5")
	var said bytes.Buffer
	run.SysProcAttr, run.Dir, run.Stdout, run.Stderr = attributes, folder, &said, &said
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGQUIT) }
	run.WaitDelay = 10 * time.Second
	if err := run.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); run.Wait() })
	p.await(t, &said)
	p.admin(t, "postgres", "CREATE USER "+loader+" PASSWORD '"+secret+"'")
	p.admin(t, "postgres", "CREATE USER guest PASSWORD '"+secret+"'")
	p.admin(t, "postgres", "CREATE DATABASE "+database+" OWNER "+loader)
	p.admin(t, database, "CREATE TABLE stl_load_errors (filename text, line_number int, colname text, err_reason text, starttime timestamp DEFAULT clock_timestamp()); GRANT SELECT ON stl_load_errors TO PUBLIC")
	return p
}

func (p *postgres) await(t testing.TB, said *bytes.Buffer) {
	t.Helper()
	tick, limit := time.NewTicker(50*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for {
		conn, err := p.dial(loader+"_admin", "postgres")
		if err == nil {
			conn.Close(context.Background())
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("PostgreSQL does not answer: %v\n%s", err, said)
		}
	}
}

func (p *postgres) dial(user, name string) (*pgconn.PgConn, error) {
	return pgconn.Connect(context.Background(), fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", user, secret, p.address, name))
}

// run runs SQL as the user and returns the first column of what it gives.
func (p *postgres) run(user, name, sql string) ([]string, error) {
	conn, err := p.dial(user, name)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(context.Background(), sql).ReadAll()
	var first []string
	for _, r := range results {
		for _, row := range r.Rows {
			first = append(first, string(row[0]))
		}
	}
	return first, err
}

func (p *postgres) admin(t testing.TB, name, sql string) {
	t.Helper()
	if _, err := p.run(loader+"_admin", name, sql); err != nil {
		t.Fatal(err)
	}
}

// ask runs SQL in the database, as the user that loads.
func (p *postgres) ask(t testing.TB, sql string) []string {
	t.Helper()
	got, err := p.run(loader, database, sql)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
