// Package logonce logs what is tried again and again: once when it begins to fail, and once when it works again.
package logonce

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Failure is one thing that may fail many times a second. It may be used by many goroutines, and must not be copied
// after its first use. While nothing fails, Note writes nothing that other goroutines read.
type Failure struct {
	// Begins is logged with the error when it begins to fail, as a warning or at Level; Ends when it works again.
	Begins, Ends string
	Level        slog.Level
	// Calm is how long nothing must have failed until it works again. Where every other try fails, that is one failure,
	// and not a beginning and an end for each.
	Calm time.Duration

	failing atomic.Bool
	// last is when it failed last, in nanoseconds of Unix time.
	last atomic.Int64
}

// Warn is a Failure whose beginning is logged as a warning.
func Warn(begins, ends string) *Failure {
	return &Failure{Begins: begins, Ends: ends, Level: slog.LevelWarn}
}

// Error is a Failure whose beginning is logged as an error.
func Error(begins, ends string) *Failure {
	return &Failure{Begins: begins, Ends: ends, Level: slog.LevelError}
}

// Note takes what became of one try, and logs where that is news, with args for both messages.
func (f *Failure) Note(ctx context.Context, log *slog.Logger, err error, args ...any) {
	if err != nil {
		if f.Calm > 0 {
			f.last.Store(time.Now().UnixNano())
		}
		if !f.failing.Swap(true) {
			log.Log(ctx, f.Level, f.Begins, append(args, "error", err)...)
		}
		return
	}
	if f.failing.Load() && f.isCalm() && f.failing.CompareAndSwap(true, false) {
		log.InfoContext(ctx, f.Ends, args...)
	}
}

func (f *Failure) isCalm() bool {
	return f.Calm == 0 || time.Now().UnixNano()-f.last.Load() >= int64(f.Calm)
}

// Failing tells whether it fails now.
func (f *Failure) Failing() bool { return f.failing.Load() }
