package fault

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/history"
)

// tookOver is the proof that another member is the primary in place of a broken one, and that buying went on in time
// once that was gone. In between no order could have been acknowledged.
func (s *Scene) tookOver(ctx context.Context, victim *servers.SQLServer, broken, since time.Time) Injected {
	proof := s.resumed(ctx, broken, since)
	now, err := primaryOf(ctx, s.Cluster)
	switch {
	case err != nil: // told already
	case now == victim:
		proof.Fired = false
	default:
		proof.Facts["primary_was"], proof.Facts["primary_is"] = victim.Addr(), now.Addr()
		opened, err := openedAt(ctx, now)
		if err != nil {
			proof.Broken = append(proof.Broken, "nobody knows when the new primary was opened: "+err.Error())
			break
		}
		proof.Facts["opened_after_seconds"] = opened.Sub(since).Seconds()
		s.Alone(since, opened)
	}
	return proof
}

// openedAt is when a primary was opened, by its barrier commit and the clock that all here share.
func openedAt(ctx context.Context, primary *servers.SQLServer) (time.Time, error) {
	said, err := ask(ctx, primary, "SELECT opened_at FROM "+cluster.Database+".cluster")
	if err != nil {
		return time.Time{}, err
	}
	milliseconds, err := strconv.ParseInt(said, 10, 64)
	return time.UnixMilli(milliseconds), err
}

// epochOf is the cluster's epoch as a member has it.
func epochOf(ctx context.Context, member *servers.SQLServer) (int64, error) {
	said, err := ask(ctx, member, "SELECT epoch FROM "+cluster.Database+".cluster")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(said, 10, 64)
}

// resumed is the proof that a primary in use broke, that there is one again, and that buying went on in time from a
// moment at which it could.
func (s *Scene) resumed(ctx context.Context, broken, from time.Time) Injected {
	under := underway(s.Workload.Log().Calls(), "", broken)
	proof := Injected{Fired: under > 0, Facts: map[string]any{"calls_under_way": under}}
	proof.Broken = s.goesOn(ctx, proof.Facts, broken, from)
	return proof
}

// goesOn notes when buying went on from a moment at which it could, and how many searched since the primary broke.
// wrong is what does not hold of three things: there is a primary, buying went on in time, and searching never stopped.
func (s *Scene) goesOn(ctx context.Context, facts map[string]any, broken, from time.Time) (wrong []string) {
	if _, err := primaryOf(ctx, s.Cluster); err != nil {
		wrong = append(wrong, "there is no primary: "+err.Error())
	}
	calls, resumed := s.Workload.Log().Calls(), time.Duration(0)
	for _, c := range calls { // in the order in which answers came
		if c.Kind == history.Place && c.Outcome == history.Done && !c.Start.Before(from) {
			resumed = c.End.Sub(from)
			break
		}
	}
	facts["resumed_after_seconds"] = resumed.Seconds()
	if resumed == 0 || resumed > resumeWithin {
		wrong = append(wrong, "buying did not go on within "+resumeWithin.String())
	}
	return append(wrong, searched(calls, broken, facts)...)
}

// refusal is the last reason, in its own words, why a supervisor could not do what it was about to do since a time; ""
// for none.
func (s *Scene) refusal(since time.Time) (reason string, err error) {
	for _, g := range s.Cluster.Supervisors() {
		log, err := os.ReadFile(g.LogPath())
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(log)) {
			_, said, ended := strings.Cut(line, `msg="an action ended"`)
			_, said, failed := strings.Cut(said, "error=")
			if !ended || !failed || !after(line, since) {
				continue
			}
			if quoted, err := strconv.QuotedPrefix(said); err == nil {
				said, _ = strconv.Unquote(quoted)
			}
			reason = strings.TrimSpace(said)
		}
	}
	return reason, nil
}

// after tells whether a line of a log was written after a time.
func after(line string, since time.Time) bool {
	stamp, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
	at, err := time.Parse(time.RFC3339, stamp)
	return err == nil && at.After(since)
}
