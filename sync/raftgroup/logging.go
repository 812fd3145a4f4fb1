package raftgroup

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// engineLog hands the engine's errors and warnings to slog, each a level
// milder, and drops the rest: to the engine a peer that cannot be reached is
// an error and an election a warning. What really is an error of this gateway
// ends the group and is returned. A gateway that is alone sees an election at
// every start, so there warnings are debug.
type engineLog struct {
	hclog.Logger // a null logger: what is not overridden here says nothing
	log          *slog.Logger
	warn         slog.Level
}

func newEngineLog(log *slog.Logger, alone bool) hclog.Logger {
	warn := slog.LevelInfo
	if alone {
		warn = slog.LevelDebug
	}
	return engineLog{hclog.NewNullLogger(), log.With("part", "consensus"), warn}
}

func (e engineLog) Warn(msg string, args ...any) {
	e.log.Log(context.Background(), e.warn, msg, args...)
}

func (e engineLog) Error(msg string, args ...any) { e.log.Warn(msg, args...) }

func (e engineLog) Log(level hclog.Level, msg string, args ...any) {
	switch {
	case level >= hclog.Error:
		e.Error(msg, args...)
	case level == hclog.Warn:
		e.Warn(msg, args...)
	}
}

func (e engineLog) IsWarn() bool  { return true }
func (e engineLog) IsError() bool { return true }

func (e engineLog) With(args ...any) hclog.Logger {
	return engineLog{e.Logger, e.log.With(args...), e.warn}
}

func (e engineLog) Named(string) hclog.Logger      { return e }
func (e engineLog) ResetNamed(string) hclog.Logger { return e }
