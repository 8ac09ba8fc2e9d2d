package failover

import (
	"context"
	"fmt"
	"time"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// rebuildTimeout bounds one rebuilding. A terabyte over a slow line takes hours.
const rebuildTimeout = 24 * time.Hour

// rebuild throws away all that a member has, and gives it a copy of the primary's data. It is refused unless the
// primary and its followers are a majority without the member: they have all that was acknowledged.
//
// Copying takes long. It runs on a connection of its own and without the locks, since no other supervisor touches a
// member that is being rebuilt, and the member does not count until it is back. The server restarts at the end. Where
// it is not started again by its own service, a person has to start it.
func (a *attempt) rebuild(ctx context.Context, members []Member, p, i int, reason string) error {
	sup, s, primary := a.sup, a.sessions[i], a.sessions[p]
	if have := 1 + a.followers(members, p, i); have < sup.majority() {
		return rail.Refuse(rail.WrongState, "%s must be rebuilt (%s), but only %d of %d members "+
			"have the primary's data",
			s.name, reason, have, len(sup.members))
	}
	for _, one := range []*session{s, primary} {
		var active int
		const query = "SELECT COUNT(*) FROM information_schema.PLUGINS " +
			"WHERE PLUGIN_NAME = 'clone' AND PLUGIN_STATUS = 'ACTIVE'"
		if err := one.one(ctx, lookTimeout, query, nil, &active); err != nil {
			return err
		}
		if active != 1 {
			return rail.Refuse(rail.WrongState, "%s must be rebuilt (%s), but the clone plugin is not loaded on %s: "+
				"load mysql_clone.so, or rebuild it by hand", s.name, reason, one.name)
		}
	}
	if err := a.confirm(ctx); err != nil {
		return err
	}
	if err := a.commit(ctx, primary, sup.listed(s.name, Rebuilding, "", "failover", reason)); err != nil {
		return err
	}
	steps := []string{
		"SET GLOBAL offline_mode = ON", "SET GLOBAL rpl_semi_sync_source_enabled = OFF",
		"SET GLOBAL super_read_only = OFF", // what clone refuses; read_only stays on
	}
	if members[i].Receiver != nil {
		steps = append(steps, "STOP REPLICA", "RESET REPLICA ALL")
	}
	for _, statement := range steps {
		if err := s.exec(ctx, stopTimeout, statement); err != nil {
			return err
		}
	}
	source := sup.members[p]
	donor := fmt.Sprintf("%s:%d", source.host, source.port)
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL clone_valid_donor_list = ?", donor); err != nil {
		return err
	}
	sup.log.Warn("the member is rebuilt from the primary", "member", s.name, "primary", source.name, "reason", reason)
	// It goes on when the attempt has ended, and ends with the caller's context. After that the member is rebuilt anew.
	background, cancel := context.WithTimeout(a.caller, rebuildTimeout)
	own, err := sup.members[i].connect(background)
	if err != nil {
		cancel()
		return err
	}
	sup.mu.Lock()
	sup.underway[own.name] = true
	sup.mu.Unlock()
	sup.rebuilding.Go(func() {
		defer func() {
			sup.mu.Lock()
			delete(sup.underway, own.name)
			sup.mu.Unlock()
		}()
		defer cancel()
		defer own.close()
		config := source.config
		clone := fmt.Sprintf("CLONE INSTANCE FROM ?@?:%d IDENTIFIED BY ?", source.port)
		err := own.exec(background, rebuildTimeout, clone, config.User, source.host, config.Passwd)
		switch mysqlcluster.ErrorNumber(err) {
		case erRestartByHand:
			sup.log.Warn("the member is rebuilt and has ended: start it again", "member", own.name)
		default:
			// A server that restarts hangs up first, so even success looks like this.
			sup.log.Info("the rebuilding has ended", "member", own.name, "error", err)
		}
	})
	return nil
}
