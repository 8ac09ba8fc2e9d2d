package failover

import (
	"context"

	"interlock/services/rail"
)

// OpenOptions say what may be opened, and how.
type OpenOptions struct {
	// Member is the one to open; empty: one that has everything, the last primary first.
	Member string
	// AcceptLoss opens a member even where another that may hold acknowledged orders does not answer, or is not in the
	// list.
	AcceptLoss bool
	// silent is a member that is known not to answer: it is not waited for.
	silent string
	// knowsAll tells that the last primary has all that was ever acknowledged. That was found under the attempt's
	// locks, and it has been read-only since. A first attempt to open another member moves receivers. A second attempt
	// could not find it out any more.
	knowsAll bool
}

// Open makes one member writable where none is: at the first start, after a restart, and after the death of the
// primary. It refuses, with the reason, where an acknowledged order might be lost, or where no replica would
// acknowledge the next one; then all members stay read-only. An open cluster is left as it is.
func (sup *Supervisor) Open(ctx context.Context, o OpenOptions) (Opening, error) {
	if o.Member != "" {
		if _, err := sup.index(o.Member); err != nil {
			return Opening{}, err
		}
	}
	a, ctx, err := sup.beginWithout(ctx, o.silent)
	if err != nil {
		return Opening{}, err
	}
	defer a.end()
	opening, err := a.openUnlessOpen(ctx, o)
	return opening, why(ctx, err)
}

func (a *attempt) openUnlessOpen(ctx context.Context, o OpenOptions) (Opening, error) {
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	if p, err := primaryOf(members); err == nil {
		m := members[p]
		if o.Member != "" && o.Member != m.Name {
			return Opening{}, rail.Refuse(rail.WrongState, "%s is the primary: to make it another, promote that",
				m.Name)
		}
		return Opening{Primary: m.Name, Epoch: m.Record.Epoch, Already: true}, nil
	}
	if last := lastPrimary(members); last != "" && !lost(members, last) {
		return Opening{}, rail.Refuse(rail.WrongState, "%s does not answer here, but every replica hears it", last)
	}
	return a.chooseAndOpen(ctx, o)
}
