package gateway

import (
	"log/slog"
	"os"
)

// newLogger writes to standard error at a level that can be changed.
func newLogger(c Log, level *slog.LevelVar) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(c.Level)) == nil {
		level.Set(l)
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}
