package failover

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStanding is the truth table of what another member is to a candidate: - stands for both. It names every relation
// there can be, and each once.
func TestStanding(t *testing.T) {
	const columns = 5 // answers, receives, the same server, the candidate has all it has, was opened last
	table := []struct {
		recorded string // COUNTS, an absence, or "" where the record does not know it
		when     string // by the columns above
		is       standing
	}{
		// It counts.
		{"COUNTS", "y-yy-", counting},
		{"COUNTS", "y-yn-", ahead}, // the last primary too: what it alone has is not told from what others acknowledged
		{"COUNTS", "y-n-y", formerPrimary},
		{"COUNTS", "n---y", formerPrimary},
		{"COUNTS", "y-n-n", replaced},
		{"COUNTS", "n---n", silent},
		// The record does not know it, and so no server of its own under its name either.
		{"", "y-yy-", unrecorded},
		{"", "y-yn-", ahead},
		{"", "n----", bystander},
		// It was left behind when another was opened, and may receive all the same.
		{"LEFT", "y--y-", returning},
		{"LEFT", "yn-n-", bystander},
		{"LEFT", "yy-n-", ahead},
		{"LEFT", "n----", bystander},
		// A person has put it out, and it may receive all the same.
		{"EXCLUDED", "yy-n-", ahead},
		{"EXCLUDED", "yy-y-", bystander},
		{"EXCLUDED", "yn---", bystander},
		{"EXCLUDED", "n----", bystander},
		{"REBUILDING", "yy-n-", ahead},
		{"REBUILDING", "yy-y-", bystander},
		{"REBUILDING", "yn---", bystander},
		{"REBUILDING", "n----", bystander},
		// What it has was given up, whatever it is.
		{"LOST", "-----", bystander},
	}
	for _, recorded := range []string{"COUNTS", "", "LEFT", "EXCLUDED", "REBUILDING", "LOST"} {
		for bits := range 1 << columns {
			var is [columns]bool
			for column := range is {
				is[column] = bits>>column&1 == 1
			}
			answers, receives, same, has, last := is[0], is[1], is[2], is[3], is[4]
			if !answers && (receives || has) || recorded != "COUNTS" && !same {
				continue // one that does not answer says nothing; only the servers of those that count are recorded
			}
			r := relation{
				counts: recorded == "COUNTS", openedLast: last,
				answers: answers, receives: receives, sameServer: same, has: has,
			}
			if !r.counts {
				r.absence = Absence(recorded)
			}
			rows := 0
			for _, row := range table {
				matches := row.recorded == recorded
				for column, want := range row.when {
					matches = matches && (want == '-' || (want == 'y') == is[column])
				}
				if matches {
					rows++
					require.Equal(t, row.is, r.standing(), "%+v", r)
				}
			}
			require.Equal(t, 1, rows, "%s %+v", recorded, r)
		}
	}
}

func TestRelationOf(t *testing.T) {
	members := cluster("a", "b", "c")
	record := &members[0].Record
	record.Counts, record.Absent = []string{"primary", "a"}, []Absent{{Member: "b", State: Left}}
	record.servers = map[string]string{"primary": "p", "a": "u"}
	members[1].UUID = "v"
	require.Equal(t, relation{counts: true, openedLast: true, answers: true, sameServer: true},
		relationOf(record, &members[0], false))
	require.Equal(t, relation{counts: true, answers: true, receives: true, has: true},
		relationOf(record, &members[1], true))
	require.Equal(t, relation{absence: Left, answers: true, receives: true, sameServer: true},
		relationOf(record, &members[2], false))
	members[3].Problem = "it does not answer"
	require.Equal(t, relation{sameServer: true}, relationOf(record, &members[3], false))
}

// TestCandidate_Take is what the standings lead to, in each of the situations that an opening may be in.
func TestCandidate_Take(t *testing.T) {
	type situation struct {
		unlisted, knowsAll, acceptLoss bool
	}
	is := func(standing standing, has bool, in situation) (c *candidate, reason string) {
		c = &candidate{knowsAll: in.knowsAll, how: OpenOptions{AcceptLoss: in.acceptLoss}}
		if in.unlisted {
			c.unlisted = errBusy
		}
		return c, c.take(7, "m", standing, has)
	}
	for _, in := range []situation{{}, {unlisted: true}, {knowsAll: true}, {acceptLoss: true}, {true, true, true}} {
		for _, has := range []bool{false, true} {
			all := map[standing]*candidate{}
			for _, standing := range []standing{
				bystander, counting, returning, unrecorded, formerPrimary, silent, replaced,
			} {
				c, reason := is(standing, has, in)
				refused := (standing == silent || standing == replaced) && !in.knowsAll && !in.acceptLoss
				require.Equal(t, refused, reason != "", "%v %v %+v: %s", standing, has, in, reason)
				if all[standing] = c; refused {
					require.Empty(t, append(c.left, c.away...))
				}
			}
			spare := func(is bool) (all []int) {
				if is {
					all = []int{7}
				}
				return all
			}
			require.Equal(t, []int{7}, all[counting].replicas)
			require.Equal(t, []int{7}, all[returning].spare)
			require.Equal(t, spare(in.unlisted), all[unrecorded].spare)
			require.Equal(t, []string{"m"}, all[formerPrimary].left)
			require.Equal(t, spare(has), all[formerPrimary].spare)
			require.False(t, all[formerPrimary].loss, "what it alone has was never acknowledged")
			for _, standing := range []standing{silent, replaced} {
				c := all[standing]
				require.Equal(t, in.knowsAll, len(c.away) == 1)
				require.Equal(t, in.acceptLoss && !in.knowsAll, len(c.left) == 1)
				require.Equal(t, len(c.left) == 1, c.loss)
				require.Equal(t, spare(has && c.loss), c.spare)
			}
			untouched := candidate{unlisted: all[bystander].unlisted, knowsAll: in.knowsAll, how: all[bystander].how}
			require.Equal(t, untouched, *all[bystander])
		}
	}
	_, reason := is(silent, false, situation{})
	require.Contains(t, reason, "m does not answer and may hold an acknowledged order")
	_, reason = is(replaced, false, situation{})
	require.Contains(t, reason, "m is another server than the one that counts under this name")
}
