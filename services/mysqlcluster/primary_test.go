package mysqlcluster_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

func TestPrimary(t *testing.T) {
	type members = []mysqlcluster.Member
	open := func(name string, epoch int64) mysqlcluster.Member {
		return mysqlcluster.Member{
			Name: name, Answers: true, Writable: true, SemiSync: true, Replicas: 1, Epoch: epoch, Opened: name,
		}
	}
	follows := func(name string, epoch int64, primary string) mysqlcluster.Member {
		return mysqlcluster.Member{Name: name, Answers: true, Epoch: epoch, Opened: primary}
	}
	asynchronous, alone, silent := open("a", 3), open("a", 3), open("a", 3)
	asynchronous.SemiSync, alone.Replicas, silent.Answers = false, 0, false
	for name, c := range map[string]struct {
		members members
		want    int
		reason  string
	}{
		"one is open": {members{follows("b", 3, "a"), open("a", 3)}, 1, ""},
		"an old one was forgotten, and is writable too": {members{open("a", 3), open("b", 4)}, 1, ""},
		"an old one is all that is writable": {
			members{open("a", 3), follows("c", 4, "b")}, -1, "b was opened later",
		},
		"an epoch that nobody acknowledged": {members{open("a", 3), follows("b", 4, "b")}, 0, ""},
		"two of one epoch": {
			members{open("a", 3), open("b", 3)}, -1, "two members are writable",
		},
		"two old ones do not hide a new one": {members{open("a", 3), open("b", 3), open("c", 4)}, 2, ""},
		"all are read-only": {
			members{follows("a", 3, "a"), follows("b", 3, "a")}, -1, "no member of the cluster is writable",
		},
		"asynchronous":                      {members{asynchronous}, -1, "semi-synchronous replication is off"},
		"no replica":                        {members{alone}, -1, "no replica is connected"},
		"nobody answers, whatever was said": {members{silent}, -1, "no member of the cluster answers"},
		"nobody is asked":                   {nil, -1, "no member"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mysqlcluster.Primary(c.members)
			require.Equal(t, c.want, got)
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.reason)
			require.Equal(t, strings.Contains(c.reason, "two members"), errors.Is(err, mysqlcluster.ErrTwoPrimaries))
			require.Equal(t, rail.Unavailable, rail.CodeOf(err))
		})
	}
}
