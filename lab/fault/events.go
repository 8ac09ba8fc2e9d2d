package fault

import (
	"context"

	"interlock/lab/cluster"
	"interlock/lab/fault/check"
	"interlock/lab/load"
	"interlock/services/rail"
)

// groups are the lab's consumers.
var groups = check.EventGroups{All: []string{cluster.InOrder, cluster.Shared}, InOrder: cluster.InOrder}

// setQuiet suspends the run that no client buys, or resumes it: so that there are events of runs, too.
func (p *play) setQuiet(
	ctx context.Context, set func(ctx context.Context, server, adminToken string, run *load.Run) error,
) error {
	admin, err := load.AdminToken(p.cluster.Tokens())
	if err != nil {
		return err
	}
	return set(ctx, p.cluster.Servers()[0].Addr(), admin, p.quiet)
}

// events looks at what the consumers have noted until everything has taken effect, or its time is over.
func (p *play) events(ctx context.Context, e *evidence) (r *check.Result, err error) {
	ids := append([]rail.RunID{p.quiet.RunID}, e.ids...)
	took, err := until(ctx, p.rest, check.ArriveTime, func() (bool, error) {
		// The effects come first: what took effect must be true by the snapshots.
		found, err := p.scene.log.Of(ctx, ids...)
		if err != nil {
			return false, err
		}
		snapshots, err := e.snapshots(ctx)
		if err != nil {
			return false, err
		}
		quiet, err := e.snapshotsAfter(ctx, e.ids[len(e.ids)-1], 1)
		if err != nil {
			return false, err
		}
		r = check.Events(found, append(snapshots, quiet...), groups)
		if p.payments != nil {
			check.PaymentEvents(r, found, p.payments, groups)
		}
		return r.OK, nil
	})
	if err == nil {
		r.Figures["all_after_rest_seconds"] = took.Seconds()
	}
	return r, err
}
