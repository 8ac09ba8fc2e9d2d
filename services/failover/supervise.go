package failover

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"interlock/internal/pause"
)

// Supervise looks after the cluster until the context ends. It opens a member where none is writable, takes over when
// both this supervisor and a replica have lost the primary, fences an old primary that comes back, and has stray
// members follow. The very first opening is a person's. Any number of processes may supervise one cluster.
func (sup *Supervisor) Supervise(ctx context.Context) error {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	s := supervision{sup: sup}
	for {
		members := sup.look(ctx, glanceTimeout)
		if ctx.Err() != nil {
			return nil
		}
		next := sup.decide(members, &s.missed, s.failedOn)
		s.tell(next.alarm)
		if !pause.For(ctx, s.act(ctx, next)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// supervision is what a supervisor remembers from one look to the next.
type supervision struct {
	sup *Supervisor
	// missed is how many looks in a row have missed the last primary.
	missed int
	// alarm is the last one that was told. failure is the last error of an action, and failedOn the member it was
	// about.
	alarm, failure, failedOn string
}

// tell logs what is wrong with the cluster when that changes. "" means that nothing is.
func (s *supervision) tell(alarm string) {
	if alarm == s.alarm {
		return
	}
	if s.alarm = alarm; alarm == "" {
		s.sup.log.Info("the cluster is well")
	} else {
		s.sup.log.Error("the cluster needs somebody, or a moment", "reason", alarm)
	}
}

// act does what is to be done, and returns how long to rest after it. It logs the same failure once, and not with every
// try.
func (s *supervision) act(ctx context.Context, next action) (rest time.Duration) {
	if next.do == nil {
		return 0
	}
	err := next.do(ctx)
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil:
		s.failure, s.failedOn = "", ""
		return 0
	case errors.Is(err, errBusy):
		s.sup.log.Info("another supervisor is at work", "wanted", next.name)
	default:
		s.failedOn = next.member
		if s.failure != err.Error() {
			s.failure = err.Error()
			s.sup.log.Error("an action ended", "action", next.name, "member", next.member, "error", err)
		}
	}
	return actionPause/2 + rand.N(actionPause/2)
}

// start lets a replica of the writable member receive again. It never moves one.
func (sup *Supervisor) start(ctx context.Context, i, writable int) error {
	a, ctx, err := sup.begin(ctx)
	if err != nil {
		return err
	}
	defer a.end()
	members, err := a.look(ctx)
	if err != nil {
		return why(ctx, err)
	}
	if sup.startReceiver(members, writable, "").member == "" || !members[writable].Answers() ||
		members[writable].ReadOnly || stale(members, writable) {
		return nil // things have changed meanwhile
	}
	if members[i].mute {
		if err := a.sessions[i].exec(ctx, stopTimeout, "STOP REPLICA IO_THREAD"); err != nil {
			return why(ctx, err)
		}
	}
	return why(ctx, a.sessions[i].exec(ctx, statementTimeout, "START REPLICA"))
}

// disconnect excludes a member again that was excluded and receives all the same. Another replica then has what that
// one alone may have acknowledged.
func (sup *Supervisor) disconnect(ctx context.Context, i int) error {
	a, ctx, err := sup.begin(ctx)
	if err != nil {
		return err
	}
	defer a.end()
	members, err := a.look(ctx)
	if err != nil {
		return why(ctx, err)
	}
	p, err := primaryOf(members)
	if err != nil {
		return err
	}
	gone := members[p].Record.absent(members[i].Name)
	if gone == nil || gone.State != Excluded {
		return nil // it was, a moment ago
	}
	return why(ctx, a.exclude(ctx, i, gone.By, gone.Reason, false))
}
