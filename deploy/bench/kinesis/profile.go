package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// profile takes a CPU profile of headgate for as long as a measurement is,
// when it was asked for. The channel holds how that went.
func (to *server) profile(s settings, task string) <-chan error {
	done := make(chan error, 1)
	if s.profiles == "" || to.socket == "" {
		close(done)
		return done
	}
	admin := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", to.socket)
	}}}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' || r == ':' || r == ',' {
			return '-'
		}
		return r
	}, task)
	url := fmt.Sprintf("http://gateway/debug/pprof/profile?seconds=%d", max(1, int(s.length.Seconds())))
	go func() { done <- fetch(admin, url, filepath.Join(s.profiles, name)) }()
	return done
}

func fetch(from *http.Client, url, file string) error {
	answer, err := from.Get(url)
	if err != nil {
		return fmt.Errorf("take profile: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("take profile: %w", err)
	}
	return os.WriteFile(file, text, 0o600)
}
