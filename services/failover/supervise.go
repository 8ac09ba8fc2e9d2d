package failover

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Supervise looks after the cluster until the context ends: it opens a member where none is writable, takes over when the
// primary is lost to it and to a replica, shuts old primaries that come back, and lets strays follow. The first opening of
// all is a person's. Any number of processes may supervise one cluster.
func (sup *Supervisor) Supervise(ctx context.Context) error {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	missed, said, failed, failedOn := 0, "", "", ""
	for {
		members := sup.look(ctx, glanceTimeout)
		if ctx.Err() != nil {
			return nil
		}
		what := sup.decide(members, &missed, failedOn)
		if what.alarm != said {
			said = what.alarm
			if said == "" {
				sup.log.Info("the cluster is well")
			} else {
				sup.log.Error("the cluster needs somebody, or a moment", "reason", said)
			}
		}
		pause := time.Duration(0)
		if what.do != nil {
			err := what.do(ctx)
			switch {
			case ctx.Err() != nil:
				return nil
			case errors.Is(err, errBusy):
				sup.log.Info("another supervisor is at work", "wanted", what.name)
				pause = actionPause
			case err != nil:
				failedOn = what.member
				if failed != err.Error() { // said once, and not with every try
					failed = err.Error()
					sup.log.Error("an action ended", "action", what.name, "member", what.member, "error", err)
				}
				pause = actionPause
			default:
				failed, failedOn = "", ""
			}
		}
		if pause > 0 {
			pause = pause/2 + rand.N(pause/2)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
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
	if sup.startReceiver(members, writable, "").member == "" || !members[writable].Answers() || members[writable].ReadOnly || stale(members, writable) {
		return nil // things have changed meanwhile
	}
	if members[i].mute {
		if err := a.sessions[i].exec(ctx, stopTimeout, "STOP REPLICA IO_THREAD"); err != nil {
			return why(ctx, err)
		}
	}
	return why(ctx, a.sessions[i].exec(ctx, statementTimeout, "START REPLICA"))
}

// disconnect excludes a member once more that was excluded, and receives all the same: another replica then has what that one
// alone may have acknowledged.
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
