package watch

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"interlock/internal/pause"
)

// seen is one event: when it came, in nanoseconds after the lab began, and what it said.
type seen struct {
	at      int64
	version int64
	// left is how many seats were left on the leg in all classes; -1 for not known.
	left int32
	// first marks the first event of a connection: how things are, not what has happened.
	first bool
}

// subscriber watches one run. Its fields belong to its goroutine until that has ended. latest and latestAt may be read
// at any time.
type subscriber struct {
	server string
	socket bool
	run    string
	begun  time.Time

	all        []seen
	violations int
	attempts   int
	broken     int
	problem    error

	// latest is the last version, latestAt when it came.
	latest   atomic.Int64
	latestAt atomic.Int64
}

// pauseAfterTrouble is how long a phone waits before it comes back.
const pauseAfterTrouble = 100 * time.Millisecond

// stream is one open subscription; next is the text of its next event, good until the one after.
type stream interface {
	next(ctx context.Context) ([]byte, error)
	close()
}

// follow connects and reads until ctx ends. Until the first event a connection that fails is no fault: it is tried
// again. came is called with the first event.
func (s *subscriber) follow(ctx context.Context, came func()) {
	began := false
	for ctx.Err() == nil {
		s.attempts++
		err := s.once(ctx, func() {
			if !began {
				began = true
				came()
			}
		})
		if ctx.Err() != nil {
			return
		}
		s.problem = err
		if began {
			s.broken++
		}
		pause.For(ctx, pauseAfterTrouble)
	}
}

func (s *subscriber) once(ctx context.Context, came func()) error {
	open := openEvents
	if s.socket {
		open = openSocket
	}
	stream, err := open(ctx, s.server, s.run)
	if err != nil {
		return err
	}
	defer stream.close()
	for first := true; ; first = false {
		event, err := stream.next(ctx)
		if err != nil {
			return err
		}
		if err := s.note(event, first); err != nil {
			return err
		}
		if first {
			came()
		}
	}
}

var (
	versionField   = []byte(`"version":`)
	remainingField = []byte(`"remaining":`)
)

// note looks for the numbers of an event.
func (s *subscriber) note(event []byte, first bool) error {
	e := seen{at: int64(time.Since(s.begun)), first: first}
	version, rest, ok := numberAfter(event, versionField)
	if !ok {
		return fmt.Errorf("an event without a version: %.300s", event)
	}
	e.version = version
	for classes := 0; ; classes++ {
		n, more, ok := numberAfter(rest, remainingField)
		if !ok {
			if classes == 0 || bytes.Contains(rest, remainingField) {
				e.left = -1
			}
			break
		}
		e.left, rest = e.left+int32(n), more
	}
	if last := s.latest.Load(); version < last || version == last && !first {
		s.violations++
	}
	if version > s.latest.Load() {
		s.latestAt.Store(e.at)
		s.latest.Store(version)
	}
	s.all = append(s.all, e)
	return nil
}

// numberAfter is the number behind the first such field, and what follows it. ok is false without one.
func numberAfter(b, field []byte) (n int64, rest []byte, ok bool) {
	at := bytes.Index(b, field)
	if at < 0 {
		return 0, b, false
	}
	digits := b[at+len(field):]
	end := 0
	for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(string(digits[:end]), 10, 64)
	if err != nil {
		return 0, b, false
	}
	return n, digits[end:], true
}
