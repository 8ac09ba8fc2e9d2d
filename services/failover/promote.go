package failover

import (
	"context"
	"fmt"
	"strings"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Promote makes another member the primary, in order. The old primary is made read-only once no commit waits there, and
// the new one is opened only when it has all that the old one has. No order is lost: one that was under way is refused,
// and may be tried again. If a step fails before the old primary is given up, the old primary goes on.
func (sup *Supervisor) Promote(ctx context.Context, member string) (Opening, error) {
	to, err := sup.index(member)
	if err != nil {
		return Opening{}, err
	}
	a, ctx, err := sup.begin(ctx)
	if err != nil {
		return Opening{}, err
	}
	defer a.end()
	opening, err := a.promote(ctx, to)
	return opening, why(ctx, err)
}

func (a *attempt) promote(ctx context.Context, to int) (Opening, error) {
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	from, err := primaryOf(members)
	if err != nil {
		return Opening{}, err
	}
	target := &members[to]
	switch {
	case to == from:
		return Opening{Primary: target.Name, Epoch: target.Record.Epoch, Already: true}, nil
	case !target.Follows(&members[from]):
		return Opening{}, rail.Refuse(rail.WrongState, "%s does not follow the primary %s",
			target.Name, members[from].Name)
	case members[from].Record.absent(target.Name) != nil, !members[from].Record.isServer(target):
		return Opening{}, rail.Refuse(rail.WrongState, "%s does not count: include it first", target.Name)
	}
	if err := a.mayPromote(ctx, members, from, to); err != nil {
		return Opening{}, err
	}
	old, heir := a.sessions[from], a.sessions[to]
	// This is done while orders are still placed, so that little is left to wait for.
	if reason, err := a.apply(ctx, heir, members[from].Executed, applyTimeout); err != nil || reason != "" {
		return Opening{}, refuseFor(heir.name, reason, err)
	}
	// The statement waits for commits under way, and gives up after lockWaitSeconds. A caller that gives up sooner must
	// not cost the connection: without it the old primary could not be opened again.
	err = old.exec(context.WithoutCancel(ctx), statementTimeout, "SET GLOBAL super_read_only = ON")
	if mysqlcluster.ErrorNumber(err) == mysqlcluster.ErLockWaitTimeout {
		return Opening{}, &rail.Error{
			Code: rail.WrongState, Cause: err,
			Message: fmt.Sprintf("a commit on %s waits for its replica: it cannot be made read-only in order",
				old.name),
		}
	}
	if err != nil {
		return Opening{}, err
	}
	if err := a.handOver(ctx, old, heir); err != nil {
		return Opening{}, joinReopened(err, a.reopen(ctx, old))
	}
	opening, err := a.chooseAndOpen(ctx, OpenOptions{Member: heir.name, knowsAll: true})
	if err != nil && ctx.Err() == nil {
		a.sup.log.Warn("the new primary cannot be opened; the old one is opened again",
			"member", heir.name, "error", err)
		if _, again := a.chooseAndOpen(ctx, OpenOptions{knowsAll: true}); again != nil {
			err = fmt.Errorf("%w; and nothing is open: %w", err, again)
		}
	}
	return opening, err
}

// mayPromote refuses, while the primary is still writable, what would be refused after that. It looks at both members:
// the old primary is opened again if the new one cannot be.
func (a *attempt) mayPromote(ctx context.Context, members []Member, from, to int) error {
	primary := &members[from]
	record := &primary.Record
	if err := a.sup.whole(record); err != nil {
		return err
	}
	for _, m := range []*Member{&members[to], primary} {
		if len(m.Wrong) > 0 {
			return rail.Refuse(rail.WrongState, "%s: %s", m.Name, strings.Join(m.Wrong, ", "))
		}
	}
	if record.absent(primary.Name) != nil || !record.isServer(primary) {
		return rail.Refuse(rail.WrongState, "%s is the primary and is not recorded as one that counts: "+
			"interlock failover epoch", primary.Name)
	}
	for i := range members {
		m := &members[i]
		gone := record.absent(m.Name)
		switch {
		case i == from:
		case !m.Answers(), !record.isServer(m):
			if record.counts(m.Name) && soleSource(members, record) != from {
				return rail.Refuse(rail.WrongState, "%s does not answer, or as another server, and nobody could be "+
					"opened without it: start it, or exclude it first", m.Name)
			}
		case gone == nil, gone.State != Lost && m.Receiver != nil:
			if err := a.awaitHas(ctx, a.sessions[from], m); err != nil {
				return err
			}
		}
	}
	return nil
}

// reopen lets a primary that was made read-only go on. It does so even where the caller has given up, and so the
// attempt has ended. While this attempt holds the primary's lock, only a supervisor that does not reach the primary can
// have opened another member. That supervisor stopped the receivers first, and so the old primary answers no commit.
func (a *attempt) reopen(ctx context.Context, old *session) error {
	ctx = context.WithoutCancel(ctx)
	if err := old.holds(ctx); err != nil {
		return err
	}
	return old.exec(ctx, statementTimeout, "SET GLOBAL read_only = OFF")
}

// handOver waits until the new primary has all that the read-only one has.
func (a *attempt) handOver(ctx context.Context, old, heir *session) error {
	last, err := a.read(context.WithoutCancel(ctx), old)
	if err != nil {
		return err
	}
	if last.Source.Waiting != 0 {
		return rail.Refuse(rail.WrongState, "%d sessions wait for a replica on %s", last.Source.Waiting, old.name)
	}
	if reason, err := a.apply(ctx, heir, last.Executed, handOverTimeout); err != nil || reason != "" {
		return refuseFor(heir.name, reason, err)
	}
	return nil
}

func refuseFor(member, reason string, err error) error {
	if err != nil {
		return err
	}
	return rail.Refuse(rail.WrongState, "%s: %s", member, reason)
}

func joinReopened(err, reopening error) error {
	if reopening != nil {
		return fmt.Errorf("%w; and the primary stays read-only: %w", err, reopening)
	}
	return err
}
