package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// cluster is a primary with replicas that follow it.
func cluster(names ...string) []Member {
	members := []Member{{
		Name: "primary", UUID: "p", Source: Source{Enabled: true, Active: true, Clients: int64(len(names))},
		Record: Record{Epoch: 3, Primary: "primary"},
	}}
	members[0].Record.Counts = append([]string{"primary"}, names...)
	for _, name := range names {
		members = append(members, Member{
			Name: name, ReadOnly: true, Record: members[0].Record,
			Receiver: &Receiver{Source: "primary", SourceUUID: "p", State: receiverOn, Applying: true},
		})
	}
	return members
}

// guardOf is a guard with a list of members.
func guardOf(names ...string) *Guard {
	g := &Guard{}
	for _, name := range names {
		g.members = append(g.members, endpoint{name: name})
	}
	return g
}

func TestLookAfter_HalfAListIsAnAlarm(t *testing.T) {
	members := cluster("a", "b")
	members[0].Source.Clients = 1 // b is away, and so no stranger
	require.Contains(t, guardOf("primary", "a").lookAfter(members[:2], 0, "").alarm,
		"b may hold an acknowledged order and is not in this guard's list")
	members[0].Record.Counts, members[0].Record.Absent = []string{"primary", "a"}, []Absent{{Member: "b", State: Excluded}}
	require.Equal(t, action{}, guardOf("primary", "a").lookAfter(members[:2], 0, ""))
}

func TestLookAfter_WhoFollowsUnrecordedJoins(t *testing.T) {
	members := cluster("a", "b")
	members[0].Record.Counts = []string{"primary", "a"}
	next := guardOf("primary", "a", "b").lookAfter(members, 0, "")
	require.Equal(t, []string{"join", "b"}, []string{next.name, next.member})
}

func TestLookAfter_WhatFailsKeepsNobodyElseWaiting(t *testing.T) {
	g := guardOf("primary", "a", "b", "c")
	members := cluster("a", "b", "c")
	require.Equal(t, action{}, g.lookAfter(members, 0, ""))
	members[1].Receiver, members[3].Receiver = nil, nil
	next := g.lookAfter(members, 0, "")
	require.Equal(t, []string{"join", "a"}, []string{next.name, next.member})
	next = g.lookAfter(members, 0, "a")
	require.Equal(t, []string{"join", "c"}, []string{next.name, next.member})
	members[3].Receiver = members[2].Receiver
	next = g.lookAfter(members, 0, "a")
	require.Equal(t, "a", next.member, "nobody else needs anything")
	members[3].ReadOnly = false
	next = g.lookAfter(members, 0, "")
	require.Equal(t, []string{"fence", "c"}, []string{next.name, next.member}, "before anything else")
}

func TestLookAfter_StrangersThatAcknowledge(t *testing.T) {
	members := cluster("a", "b")
	members[0].Source.Clients = 3
	require.Contains(t, guardOf("primary", "a", "b").lookAfter(members, 0, "").alarm, "1 replicas acknowledge commits of primary and are not among guard's members")
}

func TestLost_WhoDoesNotCountIsNoWitness(t *testing.T) {
	members := cluster("a", "b")
	members[0].Problem = "no answer"
	require.False(t, lost(members, "primary"), "all replicas hear it")
	members[2].Receiver = nil
	require.True(t, lost(members, "primary"))
	for i := range members {
		members[i].Record.Absent = []Absent{{Member: "b", State: Excluded}}
	}
	require.False(t, lost(members, "primary"))
	members[1].Receiver = &Receiver{Source: "primary", State: "CONNECTING"}
	require.True(t, lost(members, "primary"))
}

func TestLost_WhoWasPutOutNeedNotKnow(t *testing.T) {
	members := cluster("a", "b")
	members[0].Problem = "no answer"
	members[1].Receiver = nil // a is excluded, and has not received that
	members[2].Record.Absent = []Absent{{Member: "a", State: Excluded}}
	require.False(t, lost(members, "primary"), "b hears it")
}
