package failover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Opening is what came of making a member writable.
type Opening struct {
	// Primary is the member, Epoch the cluster's now.
	Primary string `json:"primary"`
	Epoch   int64  `json:"epoch"`
	// Already tells that it was open before, and nothing was changed.
	Already bool `json:"already_open,omitempty"`
	// Left are the members that do not count any more: they did not answer.
	Left []string `json:"left,omitempty"`
	// Loss tells that one of them may have held acknowledged orders, and that somebody accepted it. Versions have jumped, and
	// Redis wants rebuilding.
	Loss bool `json:"loss_accepted,omitempty"`
}

// installation says what is wanted of an opening.
type installation struct {
	// want is the member to open; empty: one that has everything.
	want string
	// acceptLoss goes on where a member that may hold acknowledged orders does not answer, or is not in the list.
	acceptLoss bool
	// knowsAll tells that the last primary was found under these same locks to have all that anybody has acknowledged, and has
	// been read-only since. A first attempt moves receivers, by which that could not be told any more.
	knowsAll bool
}

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

// install makes one member writable. It is for a cluster without a writable member that answers.
func (a *attempt) install(ctx context.Context, how installation) (Opening, error) {
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	for _, m := range members {
		if m.Answers() && !m.ReadOnly {
			return Opening{}, rail.Refuse(rail.WrongState, "%s is writable: a second primary would be opened beside it", m.Name)
		}
	}
	stopped, err := a.stopReceivers(ctx, members)
	if err != nil {
		return Opening{}, err
	}
	c, err := a.choose(ctx, how)
	if err != nil {
		a.startAgain(ctx, stopped)
		return Opening{}, err
	}
	return a.open(ctx, c)
}

// stopReceivers stops the receivers of all members that answer. From then on no primary gets another acknowledgement from
// any of them. It returns those that ran.
func (a *attempt) stopReceivers(ctx context.Context, members []Member) (stopped []int, err error) {
	for i, m := range members {
		if m.Answers() && m.Receiver != nil && m.Receiver.State != receiverOff {
			stopped = append(stopped, i)
		}
	}
	err = a.each(func(i int, s *session) error {
		if members[i].Receiver == nil {
			return nil
		}
		return s.exec(ctx, stopTimeout, "STOP REPLICA IO_THREAD")
	})
	if err == nil {
		a.g.log.Info("the receivers are stopped", "members", len(stopped))
	}
	return stopped, err
}

// startAgain lets receivers go on after a refusal, so that nothing has changed.
func (a *attempt) startAgain(ctx context.Context, stopped []int) {
	for _, i := range stopped {
		if err := a.sessions[i].exec(ctx, statementTimeout, "START REPLICA IO_THREAD"); err != nil {
			a.g.log.Warn("a receiver could not be started again", "member", a.sessions[i].name, "error", err)
		}
	}
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

// lastPrimary is who was opened last, as far as the members that answer know.
func lastPrimary(members []Member) string { return lastRecord(members).Primary }

// lastRecord is what the members say of their cluster that has the highest epoch.
func lastRecord(members []Member) *Record {
	last := &Record{}
	for i := range members {
		if r := &members[i].Record; r.Epoch > last.Epoch {
			last = r
		}
	}
	return last
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
	record, err := readRecordOn(ctx, s, a.g.database)
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
	half := a.g.whole(&record)
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
		c.left, c.loss = append(c.left, a.g.unlisted(&record)...), true
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
	if len(c.joining) > 0 && len(away) > 0 && len(members)-2 >= a.g.majority() {
		// As where one joins: whoever is away would not know who counts now, and with the others could go on without the two.
		if !how.acceptLoss {
			return nil, fmt.Sprintf("nobody who counts would acknowledge its commits (start %s, or accept the loss)",
				strings.Join(away, " or ")), nil
		}
		c.left, c.loss = append(c.left, away...), true
	}
	if c.loss && a.g.options.JumpVersions == nil {
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

func readRecordOn(ctx context.Context, s *session, database string) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record, err := readRecord(ctx, s.conn, database)
	return record, s.failure("reading the cluster's record", err)
}

// apply lets a replica apply all that it has received, for so long at most. Where it cannot, it says why.
func (a *attempt) apply(ctx context.Context, s *session, received string, limit time.Duration) (reason string, err error) {
	err = s.exec(ctx, statementTimeout, "START REPLICA SQL_THREAD")
	if mysqlcluster.ErrorNumber(err) != 0 {
		return fmt.Sprintf("its applier cannot be started: %v", err), nil
	}
	if err != nil {
		return "", err
	}
	begun := time.Now()
	for time.Since(begun) < limit {
		var late int
		err := s.one(ctx, statementTimeout, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)", []any{received, applySlice.Seconds()}, &late)
		if err != nil || late == 0 {
			return "", err
		}
		m, err := a.read(ctx, s)
		if err != nil {
			return "", err
		}
		if m.Receiver == nil || !m.Receiver.Applying {
			said := "it does not say why"
			if m.Receiver != nil && m.Receiver.ApplyError != "" {
				said = m.Receiver.ApplyError
			}
			return "it cannot apply what it has received: " + said, nil
		}
	}
	return fmt.Sprintf("it has not applied what it has received within %v", limit), nil
}

// open makes the candidate writable, in the one order in which nothing can be answered that no replica has.
func (a *attempt) open(ctx context.Context, c *candidate) (Opening, error) {
	s, log := a.sessions[c.index], a.g.log
	epoch := c.record.Epoch
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	for _, m := range members {
		epoch = max(epoch, m.Record.Epoch)
	}
	epoch++
	if err := a.confirm(ctx); err != nil {
		return Opening{}, err
	}
	if err := a.standAlone(ctx, s, &members[c.index]); err != nil {
		return Opening{}, err
	}
	for _, i := range c.replicas {
		// One that cannot be moved is looked after later; one that can is enough.
		if err := a.follow(ctx, i, c.index); err != nil {
			if ctx.Err() != nil {
				return Opening{}, err
			}
			log.Warn("a replica does not follow the new primary", "member", members[i].Name, "error", err)
		}
	}
	if err := a.awaitFollower(ctx, c); err != nil {
		return Opening{}, err
	}
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL rpl_semi_sync_source_enabled = ON"); err != nil {
		return Opening{}, err
	}
	err = await(ctx, followTimeout, func() (bool, string, error) {
		m, err := a.read(ctx, s)
		return m.Source.Enabled && m.Source.Active && m.Source.Clients >= 1,
			fmt.Sprintf("semi-synchronous replication does not begin on %s: %d replicas connected", s.name, m.Source.Clients), err
	})
	if err != nil {
		return Opening{}, err
	}
	log.Info("replicas are connected and the source side is on", "member", s.name)

	// From here on administrators may write, nobody else.
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL super_read_only = OFF"); err != nil {
		return Opening{}, err
	}
	if err := a.prepare(ctx, s, c); err != nil {
		return Opening{}, err
	}
	if c.loss {
		// Before the record says that who was lost does not count: an attempt that ends here is refused again, and not opened
		// by the next one with versions that mean something else already.
		if err := a.confirm(ctx); err != nil {
			return Opening{}, err
		}
		if err := a.g.options.JumpVersions(ctx, s.dsn); err != nil {
			return Opening{}, fmt.Errorf("the supervisor: raising the versions: %w", err)
		}
	}
	var joining []*Member
	for _, i := range c.joining {
		joining = append(joining, &members[i])
	}
	changes := a.g.opened(epoch, &members[c.index], members, &c.record, joining...)
	as := Left
	if c.loss {
		as = Lost
	}
	for _, name := range c.left {
		changes = append(changes, a.g.listed(name, as, c.record.servers[name], "failover", "it did not answer when "+s.name+" took over"))
	}
	if err := a.confirm(ctx); err != nil {
		return Opening{}, err
	}
	if err := a.commit(ctx, s, changes...); err != nil {
		return Opening{}, err
	}
	log.Info("the barrier commit is acknowledged", "member", s.name, "epoch", epoch)
	if err := a.cutOff(ctx, c.index); err != nil {
		return Opening{}, err
	}
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL offline_mode = OFF"); err != nil {
		return Opening{}, err
	}
	if err := a.confirm(ctx); err != nil {
		return Opening{}, err
	}
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL read_only = OFF"); err != nil {
		return Opening{}, err
	}
	log.Info("the member is writable", "member", s.name, "epoch", epoch, "left", c.left, "loss_accepted", c.loss)
	return Opening{Primary: s.name, Epoch: epoch, Left: c.left, Loss: c.loss}, nil
}

// cutOff lets nobody receive from anybody but the candidate, not even after a restart: it would acknowledge the commits of an
// old primary that lives. What is thrown away unapplied the candidate has, and whoever acknowledged the barrier.
func (a *attempt) cutOff(ctx context.Context, candidate int) error {
	members, err := a.look(ctx)
	if err != nil {
		return err
	}
	p := &members[candidate]
	return a.each(func(i int, s *session) error {
		m := &members[i]
		if i == candidate || !m.Answers() || m.Receiver == nil || m.Receiver.Source == p.Name || m.Follows(p) {
			return nil
		}
		a.g.log.Warn("a replica could not be moved: it is to join anew", "member", m.Name, "followed", m.Receiver.Source)
		return s.forget(ctx)
	})
}

// forget ends a replica's receiving for good: it does not know any more whom it followed.
func (s *session) forget(ctx context.Context) error {
	for _, statement := range []string{"STOP REPLICA", "RESET REPLICA ALL"} {
		if err := s.exec(ctx, stopTimeout, statement); err != nil {
			return err
		}
	}
	return nil
}

// standAlone makes a read-only member one that follows nobody and has its source side off. A commit that still waits there
// is a supervisor's own, of an attempt that has ended: everybody else was kept out.
func (a *attempt) standAlone(ctx context.Context, s *session, m *Member) error {
	for _, statement := range []string{"SET GLOBAL rpl_semi_sync_source_enabled = OFF", "SET GLOBAL super_read_only = ON"} {
		if err := s.exec(ctx, stopTimeout, statement); err != nil {
			return err
		}
	}
	if m.Receiver == nil {
		return nil
	}
	return s.forget(ctx)
}

// prepare makes the ledger's tables where a member is opened for the first time.
func (a *attempt) prepare(ctx context.Context, s *session, c *candidate) error {
	if c.record.prepared {
		return nil
	}
	if a.g.options.Prepare == nil {
		return rail.Refuse(rail.WrongState, "%s has no table for the cluster's epoch, and nobody makes it", s.name)
	}
	// A migration that is broken off cannot go on: it is finished even if the attempt ends meanwhile.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareTimeout)
	defer cancel()
	if err := a.g.options.Prepare(limited, s.dsn); err != nil {
		return fmt.Errorf("the supervisor: making the ledger's tables on %s: %w", s.name, err)
	}
	return nil
}

// follow lets a member receive from the primary, which must have all that the member has. What it has received and not yet
// applied is kept: it may be the one that acknowledged it.
func (a *attempt) follow(ctx context.Context, replica, primary int) error {
	s, source := a.sessions[replica], a.g.members[primary]
	m, err := a.read(ctx, s)
	if err != nil {
		return err
	}
	login := a.g.options.Replication
	where := "CHANGE REPLICATION SOURCE TO SOURCE_HOST = ?, SOURCE_PORT = ?, SOURCE_USER = ?, SOURCE_PASSWORD = ?, " +
		"SOURCE_HEARTBEAT_PERIOD = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400, GET_SOURCE_PUBLIC_KEY = 1"
	args := []any{source.host, source.port, login.User, login.Password}
	if m.Receiver == nil || !m.Receiver.automatic {
		where += ", SOURCE_AUTO_POSITION = 1"
	} else {
		// Without a running applier the server would throw the relay log away.
		if err := s.exec(ctx, statementTimeout, "START REPLICA SQL_THREAD"); err != nil {
			return err
		}
		if m, err = a.read(ctx, s); err != nil {
			return err
		}
		if !m.Receiver.Applying {
			return rail.Refuse(rail.WrongState, "%s does not apply what it has received: %s", s.name, m.Receiver.ApplyError)
		}
	}
	for _, step := range []change{
		{"SET GLOBAL rpl_semi_sync_source_enabled = OFF", nil},
		{"SET GLOBAL super_read_only = ON", nil},
		{"STOP REPLICA IO_THREAD", nil},
		{where, args},
		{"SET GLOBAL offline_mode = OFF", nil},
		{"START REPLICA", nil},
	} {
		if m.Receiver == nil && step.statement == "STOP REPLICA IO_THREAD" {
			continue
		}
		if err := s.exec(ctx, stopTimeout, step.statement, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// awaitFollower returns once a replica is connected to the candidate.
func (a *attempt) awaitFollower(ctx context.Context, c *candidate) error {
	return await(ctx, followTimeout, func() (bool, string, error) {
		members, err := a.look(ctx)
		if err != nil {
			return false, "", err
		}
		states := []string{}
		for _, i := range c.replicas {
			m := &members[i]
			if m.Follows(&members[c.index]) {
				return true, "", nil
			}
			if m.Receiver != nil {
				states = append(states, m.Name+" "+m.Receiver.State+" "+m.Receiver.Error)
			}
		}
		return false, "no replica connects to " + members[c.index].Name + ": " + strings.Join(states, ", "), nil
	})
}
