package failover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/services/rail"
)

// errBusy says that another supervisor holds a lock. That is no fault, and over soon.
var errBusy = &rail.Error{
	Code: rail.Unavailable, Message: "another supervisor is at work on the cluster",
	RetryAfter: waitSeconds * time.Second,
}

// attempt is the permission to change the cluster: the lock of every member that answers, and of a majority of all
// members at least. It ends with the first of its connections that is lost.
type attempt struct {
	sup *Supervisor
	// caller is the context that the attempt was asked for with. It outlives the attempt.
	caller context.Context
	// sessions are by the members' order; nil where the member does not answer.
	sessions []*session
	// cancel ends the attempt's context, with the reason.
	cancel context.CancelCauseFunc
	keep   sync.WaitGroup
}

// begin takes the locks. The context that it returns ends with the attempt, and is for all that is done in it. end must
// be called.
func (sup *Supervisor) begin(ctx context.Context) (*attempt, context.Context, error) {
	return sup.beginWithout(ctx, "")
}

// beginWithout is begin without waiting for a member that is known to be silent.
func (sup *Supervisor) beginWithout(ctx context.Context, silent string) (*attempt, context.Context, error) {
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	a := &attempt{sup: sup, caller: caller, sessions: make([]*session, len(sup.members)), cancel: cancel}
	err := a.lock(ctx, a.connect(ctx, silent))
	if err != nil {
		a.end()
		return nil, nil, err
	}
	for _, s := range a.sessions {
		if s != nil {
			s.lost = func(err error) { cancel(fmt.Errorf("the lock on a member is lost: %w", err)) }
			a.keep.Go(func() { s.keepLock(ctx, cancel) })
		}
	}
	return a, ctx, nil
}

// connect connects to all members side by side, and returns for each why it failed. A member that is known to be silent
// has only as long as the others need.
func (a *attempt) connect(ctx context.Context, silent string) []error {
	type outcome struct {
		i   int
		s   *session
		err error
	}
	outcomes := make(chan outcome, len(a.sup.members))
	failures, missing, late := make([]error, len(a.sup.members)), 0, false
	for i, e := range a.sup.members {
		if e.name == silent {
			late, failures[i] = true, fmt.Errorf("the supervisor: %s has not answered for some time", e.name)
		} else {
			missing++
		}
		go func() {
			s, err := e.connect(ctx)
			outcomes <- outcome{i, s, err}
		}()
	}
	for missing > 0 {
		o := <-outcomes
		a.sessions[o.i], failures[o.i] = o.s, o.err
		if a.sup.members[o.i].name == silent {
			late = false
		} else {
			missing--
		}
	}
	if late {
		a.keep.Go(func() {
			if o := <-outcomes; o.s != nil {
				o.s.close()
			}
		})
	}
	return failures
}

// lock takes the lock of each member in the order of the list. So of two supervisors one gets the first lock, and the
// other gives up there.
func (a *attempt) lock(ctx context.Context, failures []error) error {
	held, servers := 0, map[string]string{}
	for _, s := range a.sessions {
		if s == nil {
			continue
		}
		var version, uuid string
		if err := s.one(ctx, lookTimeout, "SELECT VERSION()", nil, &version); err != nil {
			return err
		}
		if err := checkVersion(version); err != nil {
			return err
		}
		if err := s.exec(ctx, lookTimeout, "SET SESSION wait_timeout = ?", waitSeconds); err != nil {
			return err
		}
		if err := s.one(ctx, lookTimeout, "SELECT @@GLOBAL.server_uuid", nil, &uuid); err != nil {
			return err
		}
		if twin := servers[uuid]; twin != "" {
			return rail.Refuse(rail.WrongState, "%s and %s are one server: each would count for a majority",
				twin, s.name)
		}
		if err := a.lockOne(ctx, s); err != nil {
			return err
		}
		servers[uuid] = s.name
		held++
	}
	if held < a.sup.majority() {
		return &rail.Error{
			Code: rail.Unavailable,
			Message: fmt.Sprintf("only %d of %d members answer, and a supervisor needs %d",
				held, len(a.sup.members), a.sup.majority()),
			Cause: errors.Join(failures...),
		}
	}
	return nil
}

// lockOne takes a member's lock. It returns errBusy where another supervisor holds it.
//
// A supervisor whose barrier commit got no acknowledgement has hung up. Its session on the member does not know that:
// it waits for a replica, perhaps for ever, and keeps the lock. It has waited for longer than deadHolder, which a
// living supervisor never does. Such a lock is freed on a read-only member only, where no other commit can be waiting:
// the source side is switched off, which ends the wait. That leaves an epoch behind that no replica has acknowledged.
func (a *attempt) lockOne(ctx context.Context, s *session) error {
	var got sql.NullInt64
	if err := s.one(ctx, lookTimeout, "SELECT GET_LOCK(?, 0)", []any{lockName}, &got); err != nil || got.Int64 == 1 {
		return err
	}
	var dead int
	const deserted = "SELECT COUNT(*) FROM performance_schema.processlist WHERE ID = IS_USED_LOCK(?) " +
		"AND @@GLOBAL.read_only AND STATE LIKE 'Waiting for semi-sync ACK%' AND TIME >= ?"
	if err := s.one(ctx, lookTimeout, deserted, []any{lockName, deadHolder.Seconds()}, &dead); err != nil {
		return err
	}
	if dead == 0 {
		return errBusy
	}
	a.sup.log.Warn("a supervisor has left its lock behind in a commit that no replica acknowledges: it is ended",
		"member", s.name)
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL rpl_semi_sync_source_enabled = OFF"); err != nil {
		return err
	}
	err := s.one(ctx, lookTimeout, "SELECT GET_LOCK(?, ?)", []any{lockName, (lookTimeout / 2).Seconds()}, &got)
	if err == nil && got.Int64 != 1 {
		err = errBusy
	}
	return err
}

// keepLock uses the connection while no statement does, and ends the attempt when the lock is not this connection's any
// more.
func (s *session) keepLock(ctx context.Context, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !s.mu.TryLock() {
			continue // a statement is under way, which keeps the connection too
		}
		s.mu.Unlock()
		if err := s.holds(ctx); err != nil {
			cancel(fmt.Errorf("the lock on a member is lost: %w", err))
			return
		}
	}
}

// holds is nil while the lock is this connection's.
func (s *session) holds(ctx context.Context) error {
	var mine sql.NullBool
	err := s.one(ctx, lookTimeout, "SELECT IS_USED_LOCK(?) = CONNECTION_ID()", []any{lockName}, &mine)
	if err == nil && !mine.Bool {
		err = fmt.Errorf("the supervisor: %s: the lock is not ours any more", s.name)
	}
	return err
}

// confirm makes sure of all locks, before a step that cannot be undone.
func (a *attempt) confirm(ctx context.Context) error {
	return a.each(func(_ int, s *session) error { return s.holds(ctx) })
}

// end gives the locks back, with the connections that held them.
func (a *attempt) end() {
	a.cancel(nil)
	a.keep.Wait()
	for _, s := range a.sessions {
		if s != nil {
			s.close()
		}
	}
}

// why is err, together with the lost lock that ended the attempt, if that caused it.
func why(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(err, cause) || errors.Is(cause, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// read reads one member on its own connection.
func (a *attempt) read(ctx context.Context, s *session) (Member, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	m, err := readMember(ctx, s.conn, a.sup.database)
	m.Name = s.name
	return m, s.failure("reading its state", err)
}

// look reads all members that answered when the attempt began; the others have a Problem. It is an error if one of them
// cannot be read: nothing is decided on half a state. An absent member has a Problem instead: what is done to it
// meanwhile must not keep a failover from happening.
func (a *attempt) look(ctx context.Context) ([]Member, error) {
	members, failures := make([]Member, len(a.sessions)), make([]error, len(a.sessions))
	err := a.each(func(i int, s *session) error {
		members[i], failures[i] = a.read(ctx, s)
		return nil
	})
	record := lastRecord(members)
	for i, e := range a.sup.members {
		m := &members[i]
		m.Name = e.name
		switch {
		case a.sessions[i] == nil:
			m.Problem = "it does not answer"
		case failures[i] == nil:
		case ctx.Err() == nil && record.absent(e.name) != nil:
			m.Problem = failures[i].Error()
		default:
			err = errors.Join(err, failures[i])
		}
	}
	return members, err
}

// each does something on all connections side by side. The failure of one does not break off the others: a statement
// that is broken off costs its connection, and a lost connection ends the attempt.
func (a *attempt) each(do func(int, *session) error) error {
	errs := make([]error, len(a.sessions))
	var all sync.WaitGroup
	for i, s := range a.sessions {
		if s != nil {
			all.Go(func() { errs[i] = do(i, s) })
		}
	}
	all.Wait()
	return errors.Join(errs...)
}

// await looks until something holds. After the limit it returns an error with the last state.
func await(ctx context.Context, limit time.Duration, holds func() (ok bool, state string, err error)) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var state string
	held, err := pause.Until(limited, poll, func() (ok bool, err error) {
		ok, state, err = holds()
		return ok, err
	})
	switch {
	case held || err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return rail.Refuse(rail.WrongState, "%s, after %v", state, limit)
}
