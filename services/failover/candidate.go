package failover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"interlock/services/rail"
)

// candidate is a member that may be opened.
type candidate struct {
	index  int
	record Record
	// replicas are the other members that answer and count, joining those of them that do so from the barrier on.
	replicas, joining []int
	// left are members that do not answer and will not count any more.
	left []string
	loss bool
}

// choose finds the member to open: one that has everything that any member which counts may have acknowledged. What counts
// is read on the candidate itself, once it has applied all that it has received.
func (a *attempt) choose(ctx context.Context, how installation) (*candidate, error) {
	members, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	order, err := a.order(ctx, members, how.want)
	if err != nil {
		return nil, err
	}
	var reasons []string
	for _, i := range order {
		c, reason, err := a.examine(ctx, members, i, how)
		if err != nil {
			return nil, err
		}
		if reason == "" {
			return c, nil
		}
		reasons = append(reasons, members[i].Name+": "+reason)
	}
	return nil, rail.Refuse(rail.WrongState, "no member may be opened: %s", strings.Join(reasons, "; "))
}

// order puts members that have more before those that have less, of equal ones those that have applied all of it before those
// that have yet to, and of those the last primary first: it needs no receiver to be moved.
func (a *attempt) order(ctx context.Context, members []Member, want string) ([]int, error) {
	last := lastPrimary(members)
	var order []int
	score := make([]int, len(members))
	for i := range members {
		m := &members[i]
		if !m.Answers() || want != "" && m.Name != want {
			continue
		}
		for j := range members {
			if !members[j].Answers() || i == j {
				continue
			}
			has, err := contains(ctx, a.sessions[i], m.Received(), members[j].Received())
			if err != nil {
				return nil, err
			}
			if has {
				score[i] += 4
			}
		}
		applied, err := contains(ctx, a.sessions[i], m.Executed, m.Received())
		if err != nil {
			return nil, err
		}
		if applied {
			score[i] += 2
		}
		if m.Name == last {
			score[i]++
		}
		at := len(order)
		for at > 0 && score[order[at-1]] < score[i] {
			at--
		}
		order = append(order[:at], append([]int{i}, order[at:]...)...)
	}
	if len(order) == 0 {
		return nil, rail.Refuse(rail.WrongState, "%s does not answer", want)
	}
	return order, nil
}

// examine looks whether a member may be opened, and says why not.
func (a *attempt) examine(ctx context.Context, members []Member, i int, how installation) (*candidate, string, error) {
	m, s := &members[i], a.sessions[i]
	if len(m.Wrong) > 0 {
		return nil, strings.Join(m.Wrong, ", "), nil
	}
	if m.Receiver != nil {
		if reason, err := a.apply(ctx, s, m.Received(), applyTimeout); err != nil || reason != "" {
			return nil, reason, err
		}
	}
	record, err := readRecordOn(ctx, s, a.sup.database)
	if err != nil {
		return nil, "", err
	}
	if gone := record.absent(m.Name); gone != nil {
		return nil, fmt.Sprintf("it does not count since %s (%s, %s)", gone.Since.Format(time.RFC3339), gone.State, gone.Reason), nil
	}
	if !record.isServer(m) && !how.acceptLoss {
		return nil, "it is not the server that counts under its name: it joins once there is a primary", nil
	}
	c := &candidate{index: i, record: record, loss: !record.isServer(m)}
	half := a.sup.whole(&record)
	all := how.knowsAll
	if !all {
		if all, err = primaryKnowsAll(ctx, s, members, &record); err != nil {
			return nil, "", err
		}
	}
	var spare []int
	var away []string
	for j := range members {
		other := &members[j]
		if j == i {
			continue
		}
		has := false
		if other.Answers() {
			if has, err = contains(ctx, s, m.Received(), other.Received()); err != nil {
				return nil, "", err
			}
		}
		gone := record.absent(other.Name)
		switch {
		case gone != nil && (gone.State == Lost || !other.Answers() || other.Receiver == nil):
			// What it has was given up, or never acknowledged.
			if gone.State == Left && has {
				spare = append(spare, j)
			}
		case other.Answers() && record.isServer(other):
			if !has {
				rest, err := beyond(ctx, s, other.Received(), m.Received())
				return nil, fmt.Sprintf("it lacks what %s has: %s", other.Name, rest), err
			}
			switch {
			case record.counts(other.Name):
				c.replicas = append(c.replicas, j)
			case gone == nil && half != nil, gone != nil && gone.State == Left:
				spare = append(spare, j)
			}
			// One that is not recorded would be the only one to know, should it be the one that acknowledges: it joins later.
		case !record.counts(other.Name):
			// It has never received anything.
		case other.Name == record.Primary:
			// The dead primary, or another server in its place: what it alone has was never acknowledged.
			c.left = append(c.left, other.Name)
			if has {
				spare = append(spare, j)
			}
		case all:
			// It has nothing that its primary has not, and goes on counting.
			away = append(away, other.Name)
		case how.acceptLoss:
			c.left = append(c.left, other.Name)
			c.loss = true
			if has {
				spare = append(spare, j)
			}
		case other.Answers():
			return nil, fmt.Sprintf("%s is another server than the one that counts under this name, which may hold an acknowledged "+
				"order (start that one again, or accept the loss)", other.Name), nil
		default:
			return nil, fmt.Sprintf("%s does not answer and may hold an acknowledged order (start it again, or exclude it "+
				"while there is a primary, or accept the loss)", other.Name), nil
		}
	}
	if half != nil {
		if !how.acceptLoss {
			return nil, messageOf(half), nil
		}
		c.left, c.loss = append(c.left, a.sup.unlisted(&record)...), true
	}
	if len(c.replicas) == 0 {
		// Until the barrier says that these count nobody but the supervisor can commit, so that they acknowledge nothing else.
		c.replicas, c.joining = spare, spare
		c.left = slices.DeleteFunc(c.left, func(name string) bool {
			return slices.ContainsFunc(spare, func(j int) bool { return members[j].Name == name })
		})
	}
	if len(c.replicas) == 0 {
		return nil, "no replica would be left to acknowledge its commits", nil
	}
	if len(c.joining) > 0 && len(away) > 0 && len(members)-2 >= a.sup.majority() {
		// As where one joins: whoever is away would not know who counts now, and with the others could go on without the two.
		if !how.acceptLoss {
			return nil, fmt.Sprintf("nobody who counts would acknowledge its commits (start %s, or accept the loss)",
				strings.Join(away, " or ")), nil
		}
		c.left, c.loss = append(c.left, away...), true
	}
	if c.loss && a.sup.options.JumpVersions == nil {
		return nil, "a loss cannot be accepted here: nobody would raise the versions", nil
	}
	return c, "", nil
}

// primaryKnowsAll tells whether the last primary answers, and so brings all that anybody has acknowledged to it: then a
// replica that does not answer can have no more. That the last one known is the last one is sure where at most one member does
// not answer: had that one been opened since, it would have had a follower, and that would not be the old one's still. That
// its data is its own shows in its having all that anybody else has.
func primaryKnowsAll(ctx context.Context, on *session, members []Member, record *Record) (bool, error) {
	primary := soleSource(members, record)
	if primary < 0 {
		return false, nil
	}
	for i := range members {
		if i == primary || !members[i].Answers() || members[i].Receiver == nil || !record.isServer(&members[i]) {
			continue
		}
		if has, err := contains(ctx, on, members[primary].Received(), members[i].Received()); err != nil || !has {
			return false, err
		}
	}
	return true, nil
}

// soleSource is the last primary where nobody can have received from anybody else since it was opened, -1 where that is not
// sure.
func soleSource(members []Member, record *Record) int {
	silent, primary := 0, -1
	for i := range members {
		m := &members[i]
		switch {
		case !m.Answers(), m.Name != record.Primary && !record.isServer(m):
			silent++
		case m.Name == record.Primary:
			if m.Receiver != nil || !record.isServer(m) {
				return -1
			}
			primary = i
		case m.Receiver == nil:
			if record.absent(m.Name) == nil {
				return -1
			}
		case m.Receiver.Source != record.Primary:
			return -1
		}
	}
	if silent > 1 {
		return -1
	}
	return primary
}
