package mqtt

import (
	"context"
	"log/slog"
)

// quiet passes the broker library's log on: one level down, since it warns of
// every disconnect, and without packets, which hold payloads.
type quiet struct{ to slog.Handler }

func lower(level slog.Level) slog.Level { return level - 4 }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.to.Enabled(ctx, lower(level))
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, lower(r.Level), r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if !secret(a) {
			out.AddAttrs(a)
		}
		return true
	})
	return q.to.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	var kept []slog.Attr
	for _, a := range attrs {
		if !secret(a) {
			kept = append(kept, a)
		}
	}
	return quiet{q.to.WithAttrs(kept)}
}

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.to.WithGroup(name)} }

// secret reports whether an attribute may hold a payload or a password.
func secret(a slog.Attr) bool {
	switch a.Key {
	case "pk", "packet", "payload", "password":
		return true
	}
	return false
}
