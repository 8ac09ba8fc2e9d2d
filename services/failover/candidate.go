package failover

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"interlock/services/rail"
)

// candidate is a member that may be opened, and what becomes of the others then.
type candidate struct {
	index  int
	record Record
	how    OpenOptions
	// unlisted is why this supervisor's list of members is not whole; nil where it is.
	unlisted error
	// knowsAll tells that the last primary answers, and has all that any member has acknowledged.
	knowsAll bool
	// replicas are the other members that will acknowledge the barrier commit.
	replicas []int
	// spare are members that do not count, and could do so from the barrier commit on. joining are those of them that
	// will.
	spare, joining []int
	// away are members that count and do not answer, and hold nothing that the last primary lacks. They go on counting.
	away []string
	// left are members that do not answer, or answer as another server. They will not count any more.
	left []string
	// loss tells that an acknowledged order may be lost, and that a person has accepted that.
	loss bool
}

// choose finds the member to open: one that has everything that any member which counts may have acknowledged. Which
// members count is read on the candidate itself, once it has applied all that it has received.
func (a *attempt) choose(ctx context.Context, how OpenOptions) (*candidate, error) {
	members, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	order, err := a.order(ctx, members, how.Member)
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

// order lists the members that answer by their scores, the highest first. want, if set, is the only one.
func (a *attempt) order(ctx context.Context, members []Member, want string) ([]int, error) {
	var order []int
	scores := make([]int, len(members))
	for i := range members {
		m := &members[i]
		if !m.Answers() || want != "" && m.Name != want {
			continue
		}
		var err error
		if scores[i], err = a.score(ctx, members, i); err != nil {
			return nil, err
		}
		order = append(order, i)
	}
	if len(order) == 0 {
		return nil, rail.Refuse(rail.WrongState, "%s does not answer", want)
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(scores[j], scores[i]) })
	return order, nil
}

// score is 4 for each other member all of whose transactions a member has; 2 if it has applied all of its own, so that
// there is nothing to wait for; and 1 if it is the last primary, which has no receiver that would have to be moved.
func (a *attempt) score(ctx context.Context, members []Member, i int) (score int, err error) {
	m := &members[i]
	for j := range members {
		if !members[j].Answers() || i == j {
			continue
		}
		has, err := contains(ctx, a.sessions[i], m.Received(), members[j].Received())
		if err != nil {
			return 0, err
		}
		if has {
			score += 4
		}
	}
	applied, err := contains(ctx, a.sessions[i], m.Executed, m.Received())
	if err != nil {
		return 0, err
	}
	if applied {
		score += 2
	}
	if m.Name == lastPrimary(members) {
		score++
	}
	return score, nil
}

// examine looks whether a member may be opened. Where it may not, reason says why, in words that follow its name.
func (a *attempt) examine(
	ctx context.Context, members []Member, i int, how OpenOptions,
) (c *candidate, reason string, err error) {
	if c, reason, err = a.nominate(ctx, members, i, how); reason != "" || err != nil {
		return nil, reason, err
	}
	for j := range members {
		if j == i {
			continue
		}
		if reason, err = a.place(ctx, c, members, j); reason != "" || err != nil {
			return nil, reason, err
		}
	}
	return c, a.complete(c, members), nil
}

// nominate makes a candidate of a member that may be opened as far as it alone is concerned. It has it apply all that
// it has received, and reads its record after that.
func (a *attempt) nominate(
	ctx context.Context, members []Member, i int, how OpenOptions,
) (c *candidate, reason string, err error) {
	m, s := &members[i], a.sessions[i]
	if len(m.Wrong) > 0 {
		return nil, strings.Join(m.Wrong, ", "), nil
	}
	if m.Receiver != nil {
		if reason, err := a.apply(ctx, s, m.Received(), applyTimeout); err != nil || reason != "" {
			return nil, reason, err
		}
	}
	c = &candidate{index: i, how: how, knowsAll: how.knowsAll}
	if c.record, err = readRecordOn(ctx, s, a.sup.database); err != nil {
		return nil, "", err
	}
	if gone := c.record.absent(m.Name); gone != nil {
		return nil, fmt.Sprintf("it does not count since %s (%s, %s)",
			gone.Since.Format(time.RFC3339), gone.State, gone.Reason), nil
	}
	if c.loss = !c.record.isServer(m); c.loss && !how.AcceptLoss {
		return nil, "it is not the server that counts under its name: it joins once there is a primary", nil
	}
	c.unlisted = a.sup.whole(&c.record)
	if !c.knowsAll {
		if c.knowsAll, err = primaryKnowsAll(ctx, s, members, &c.record); err != nil {
			return nil, "", err
		}
	}
	return c, "", nil
}

// place finds the part of another member in the candidate's opening. Where there is none that is safe, reason says why.
func (a *attempt) place(ctx context.Context, c *candidate, members []Member, j int) (reason string, err error) {
	own, other, s := &members[c.index], &members[j], a.sessions[c.index]
	has := false
	if other.Answers() {
		if has, err = contains(ctx, s, own.Received(), other.Received()); err != nil {
			return "", err
		}
	}
	standing := relationOf(&c.record, other, has).standing()
	if standing == ahead {
		rest, err := beyond(ctx, s, other.Received(), own.Received())
		return fmt.Sprintf("it lacks what %s has: %s", other.Name, rest), err
	}
	return c.take(j, other.Name, standing, has), nil
}

// take gives another member its part by its standing. has tells that the candidate has all that it has.
func (c *candidate) take(j int, name string, standing standing, has bool) (reason string) {
	giveUp := func() {
		c.left = append(c.left, name)
		if has {
			c.spare = append(c.spare, j)
		}
	}
	switch standing {
	case counting:
		c.replicas = append(c.replicas, j)
	case returning:
		c.spare = append(c.spare, j)
	case unrecorded:
		// If it alone acknowledged the barrier, only it and the candidate would know that it counts. So it joins after
		// the opening. It may have to acknowledge if this supervisor's list lacks members that count.
		if c.unlisted != nil {
			c.spare = append(c.spare, j)
		}
	case formerPrimary:
		giveUp() // What it alone has was never acknowledged.
	case silent, replaced:
		switch {
		case c.knowsAll:
			c.away = append(c.away, name)
		case c.how.AcceptLoss:
			giveUp()
			c.loss = true
		case standing == replaced:
			return name + " is another server than the one that counts under this name, which may hold an " +
				"acknowledged order (start that one again, or accept the loss)"
		default:
			return name + " does not answer and may hold an acknowledged order (start it again, or exclude it while " +
				"there is a primary, or accept the loss)"
		}
	case bystander, ahead: // The one has no part, and for the other the candidate was refused.
	}
	return ""
}

// complete decides once every other member has its part: whether a replica is left to acknowledge, and whether a loss
// that this opening brings has been accepted.
func (a *attempt) complete(c *candidate, members []Member) (reason string) {
	if c.unlisted != nil {
		if !c.how.AcceptLoss {
			return messageOf(c.unlisted)
		}
		c.left, c.loss = append(c.left, a.sup.unlisted(&c.record)...), true
	}
	if len(c.replicas) == 0 {
		// They count from the barrier commit on. Before that only the supervisor can commit, so that they acknowledge
		// nothing else.
		c.replicas, c.joining = c.spare, c.spare
		c.left = slices.DeleteFunc(c.left, func(name string) bool {
			return slices.ContainsFunc(c.spare, func(j int) bool { return members[j].Name == name })
		})
	}
	if len(c.replicas) == 0 {
		return "no replica would be left to acknowledge its commits"
	}
	if len(c.joining) > 0 && len(c.away) > 0 && len(members)-2 >= a.sup.majority() {
		// The members that are away do not hear who counts now. All members but the candidate and one replica would be
		// a majority, and could open a member that lacks the next orders. join refuses the same (wouldBeOnlyWitness).
		if !c.how.AcceptLoss {
			return fmt.Sprintf("nobody who counts would acknowledge its commits (start %s, or accept the loss)",
				strings.Join(c.away, " or "))
		}
		c.left, c.loss = append(c.left, c.away...), true
	}
	if c.loss && a.sup.options.JumpVersions == nil {
		return "a loss cannot be accepted here: nobody would raise the versions"
	}
	return ""
}

// primaryKnowsAll tells whether the last primary answers, and has all that was ever acknowledged. Then a replica that
// does not answer can have no more.
//
// The last known primary is the last one for sure where at most one member does not answer. Had the silent member been
// opened later, it would have had a follower, and that follower would answer here with another source. The primary's
// data is its own if it has all that any replica has.
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

// soleSource is the last primary, by its index, where no member can have received from another one since it was opened.
// It is -1 where that is not sure.
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
