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
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: plainErrors}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// plainErrors prints errors by their text: some libraries' errors would print
// their stack into every line.
func plainErrors(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(err.Error())
	}
	return a
}
