package raftgroup

import "github.com/hashicorp/raft"

// bounded is a transport that tells a follower of no commit beyond what the
// same message lets it check: "index of last new entry" (Raft, figure 2). The
// engine (hashicorp/raft v1.8.0) leaves that out on both sides. A leader that
// has waited before it tries a follower again may send it no entries and yet
// the newest commit index; a follower with an entry of a lost leader at that
// place would apply it.
//
// And it sends entries in as many messages as their size asks for.
type bounded struct {
	*raft.NetworkTransport
	logs *logStore
}

// AppendEntries sends entries, or none. When a message is refused, those after
// it are not sent: the leader looks where to go on, as it does anyway.
func (b bounded) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	safe, rest := *args, args.Entries
	for {
		var err error
		if safe.Entries, rest, err = b.logs.part(rest); err != nil {
			return err
		}
		safe.LeaderCommitIndex = min(args.LeaderCommitIndex, safe.PrevLogEntry+uint64(len(safe.Entries)))
		err = b.NetworkTransport.AppendEntries(id, target, &safe, resp)
		if err != nil || !resp.Success || len(rest) == 0 {
			return err
		}
		last := safe.Entries[len(safe.Entries)-1]
		safe.PrevLogEntry, safe.PrevLogTerm = last.Index, last.Term
		*resp = raft.AppendEntriesResponse{}
	}
}
