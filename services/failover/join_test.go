package failover

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNewcomer_State is the rule of who may join, each state with what tells it from its neighbours.
func TestNewcomer_State(t *testing.T) {
	// Each begins with a member a that counts and follows the primary, as three others do.
	apart := func(members []Member) { members[1].Receiver = nil }
	uncounted := func(members []Member) { members[0].Record.Counts = []string{"primary", "b", "c", "d"} }
	absent := func(state Absence) func([]Member) {
		return func(members []Member) {
			uncounted(members)
			members[0].Record.Absent = []Absent{{Member: "a", State: state}}
		}
	}
	misset := func(members []Member) { members[1].Wrong = []string{"sync_relay_log must be 1"} }
	unheard := func(members []Member) {
		members[0].Source.Clients = 0
		for i := 2; i < len(members); i++ {
			members[i].Receiver = nil
		}
	}
	receives := func(members []Member) {
		members[1].Receiver = &Receiver{Source: "x", SourceUUID: "x", State: receiverOn}
	}
	silent := func(members []Member) { members[1].Problem = "no answer" }
	old := func(members []Member) { members[1].ReadOnly, members[1].Record.Epoch = false, 2 }
	cloning := func(members []Member) { members[1].Cloning = true }
	another := func(members []Member) { members[1].UUID = "v" }
	type changes []func([]Member)
	for name, c := range map[string]struct {
		as     changes
		byHand bool
		want   joinState
	}{
		"all is well":                       {nil, false, follows},
		"it does not answer":                {changes{silent}, true, doesNotAnswer},
		"it is an old primary":              {changes{old}, true, isWritable},
		"it is being rebuilt":               {changes{cloning}, false, isRebuilt},
		"it was excluded":                   {changes{absent(Excluded)}, false, isExcluded},
		"... and is included":               {changes{absent(Excluded)}, true, mayFollow},
		"it was left behind":                {changes{absent(Left), apart}, false, mayFollow},
		"it was lost":                       {changes{absent(Lost), apart}, false, mayFollow},
		"its rebuilding was begun":          {changes{absent(Rebuilding), apart}, false, mayFollow},
		"it is not recorded, and follows":   {changes{uncounted}, false, followsUnrecorded},
		"... and does not":                  {changes{uncounted, apart}, false, mayFollow},
		"... and is set wrongly":            {changes{uncounted, apart, misset}, false, isMisset},
		"it counts, and is set wrongly":     {changes{apart, misset}, false, mayFollow},
		"it is absent, and is set wrongly":  {changes{absent(Left), apart, misset}, false, mayFollow},
		"it follows another":                {changes{receives}, false, mayFollow},
		"... and is all the primary has":    {changes{receives, unheard}, false, followsAnother},
		"it is all the primary has":         {changes{apart, unheard}, false, mayFollow},
		"... and does not count":            {changes{uncounted, apart, unheard}, true, wouldBeOnlyWitness},
		"... and was left behind":           {changes{absent(Left), apart, unheard}, false, wouldBeOnlyWitness},
		"another server is under its name":  {changes{another, apart, misset}, false, isMisset},
		"... that follows, and is recorded": {changes{another}, false, followsUnrecorded},
	} {
		t.Run(name, func(t *testing.T) {
			members := cluster("a", "b", "c", "d")
			for i := range members {
				members[i].Acknowledges = true
			}
			for _, change := range c.as {
				change(members)
			}
			a := &attempt{sup: supervisorOf("primary", "a", "b", "c", "d")}
			n, err := a.newcomer(members, 1, c.byHand)
			require.NoError(t, err)
			require.Equal(t, c.want, n.state())
		})
	}

	// Of three members the third alone is no majority, so that the two may go on by themselves.
	members := cluster("a", "b")
	members[0].Record.Counts = []string{"primary", "b"}
	apart(members)
	unheard(members)
	n, err := (&attempt{sup: supervisorOf("primary", "a", "b")}).newcomer(members, 1, false)
	require.NoError(t, err)
	require.Equal(t, mayFollow, n.state())
	n, err = (&attempt{sup: supervisorOf("primary", "a", "b")}).newcomer(cluster("a", "b"), 0, false)
	require.NoError(t, err)
	require.Equal(t, isPrimary, n.state())
}
