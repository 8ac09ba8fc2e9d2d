package audit

import (
	"context"
	"slices"

	"interlock/services/ledger"
)

// memberStates are those that the supervisor writes.
var memberStates = []string{memberCounts, "EXCLUDED", "LEFT", "REBUILDING", "LOST"}

const memberCounts = "COUNTS"

// verifyCluster holds the record of the cluster against itself. The supervisor holds it against the real members.
func (a *Auditor) verifyCluster(ctx context.Context, report *Report) error {
	c, err := a.Ledger.Cluster(ctx)
	if err != nil {
		return err
	}
	verifyMembers(c, report)
	if c.Rows == 0 {
		return nil
	}
	wrong := func(format string, arguments ...any) { report.row(CheckCluster, "cluster", format, arguments...) }
	if c.Rows != 1 || c.Epoch < 1 {
		wrong("it has %d rows, and the one with the id 1 the epoch %d", c.Rows, c.Epoch)
		return nil
	}
	if c.OpenedAt.UnixMilli() <= 0 || c.OpenedAt.After(c.Now.Add(slack)) {
		wrong("it was opened at %s, and now it is %s", at(c.OpenedAt), at(c.Now))
	}
	primaryCounts := slices.ContainsFunc(c.Members, func(m ledger.WrittenMember) bool {
		return m.Member == c.Primary && m.State == memberCounts
	})
	if len(c.Members) > 0 && !primaryCounts {
		wrong("%q was opened last, and does not count", c.Primary)
	}
	return nil
}

// verifyMembers checks each member's state, and that no server counts as two of them.
func verifyMembers(c *ledger.WrittenCluster, report *Report) {
	servers := map[string]string{}
	for _, m := range c.Members {
		row := "member " + m.Member
		if !slices.Contains(memberStates, m.State) {
			report.row(CheckCluster, row, "%q is no state of a member", m.State)
		}
		if m.Since.UnixMilli() <= 0 || m.Since.After(c.Now.Add(slack)) {
			report.row(CheckCluster, row, "it is in its state since %s, and now it is %s", at(m.Since), at(c.Now))
		}
		if m.State != memberCounts {
			continue
		}
		if other := servers[m.Server]; m.Server != "" && other != "" {
			report.row(CheckCluster, row, "it counts, and is the server that counts as %s", other)
		}
		servers[m.Server] = m.Member
	}
}
