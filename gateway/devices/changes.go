package devices

import (
	"context"

	"headgate/shardlog"
)

// Order is a device to be created.
type Order struct {
	ID string
	// Password that it is to have; empty for none: it is enrolled by a claim
	// code, or gets one by Rotate.
	Password string
	Disabled bool
	Details
}

// Create makes a device. Kinds: Invalid; InUse when there is one of that id;
// Unavailable, Unknown, Full from the state.
func (s *Store) Create(ctx context.Context, o Order) (Device, error) {
	const op = "create device"
	if err := o.check(op); err != nil {
		return Device{}, err
	}
	r := s.rowOf(o)
	if o.Password != "" {
		kept, err := s.hasher.hash(ctx, []byte(o.Password))
		if err != nil {
			return Device{}, err
		}
		r.Passwords = []string{kept}
	}
	err := s.c.States.Mutate(ctx, shardlog.Mutation{Space: deviceSpace, Key: o.ID, Value: r.text(), Expect: shardlog.Absent()}, mark())
	if err != nil && shardlog.KindOf(err) == shardlog.Conflict {
		return Device{}, shardlog.Errorf(shardlog.InUse, op, "there is a device %s already", o.ID)
	}
	return r.shown(o.ID), err
}

func (o Order) check(op string) error {
	if err := checkID(op, o.ID); err != nil {
		return err
	}
	if err := o.Details.check(op); err != nil {
		return err
	}
	if o.Password != "" {
		return checkPassword(op, o.Password)
	}
	return nil
}

func (s *Store) rowOf(o Order) row {
	r := row{State: Active, Details: o.Details.clone(), Created: s.stamp()}
	if o.Disabled {
		r.State = Disabled
	}
	return r
}

// Get is the device of that id. Kinds: NotFound, Corrupt.
func (s *Store) Get(ctx context.Context, id string) (Device, error) {
	e, err := s.load(ctx, id)
	if err != nil {
		return Device{}, err
	}
	return e.row.shown(id), nil
}

// List is the devices whose ids begin with the prefix, in order of their ids.
// One whose row cannot be understood is there in the state Damaged.
func (s *Store) List(ctx context.Context, prefix string) []Device {
	all := []Device{}
	for id, text := range s.c.States.List(ctx, deviceSpace, prefix) {
		r, err := parseRow(text)
		if err != nil {
			all = append(all, Device{ID: id, State: Damaged})
			continue
		}
		all = append(all, r.shown(id))
	}
	return all
}

// Describe sets the groups and attributes of a device. What it may do changes
// at once, in open sessions too. Kinds: Invalid, NotFound, Corrupt, Conflict,
// and those of the state.
func (s *Store) Describe(ctx context.Context, id string, details Details) (Device, error) {
	if err := details.check("describe device"); err != nil {
		return Device{}, err
	}
	return s.simply(ctx, id, func(r *row) error {
		r.Details = details.clone()
		return nil
	})
}

// Disable refuses a device until it is enabled, and ends its sessions: here
// before Disable returns, on other gateways when they hear of it. Kinds:
// InUse for a revoked device; as Describe's.
func (s *Store) Disable(ctx context.Context, id string) (Device, error) {
	return s.turn(ctx, id, Disabled)
}

// Enable accepts a device again. Kinds as Disable's.
func (s *Store) Enable(ctx context.Context, id string) (Device, error) {
	return s.turn(ctx, id, Active)
}

func (s *Store) turn(ctx context.Context, id string, to State) (Device, error) {
	return s.simply(ctx, id, func(r *row) error {
		switch r.State {
		case to:
			return errKeep
		case Revoked:
			return shardlog.Errorf(shardlog.InUse, "change device", "%s is revoked for good: delete it and create it anew", id)
		}
		r.State = to
		return nil
	})
}

// SetPassword gives a device this password and no other, at once: sessions
// that came by an older one end. Kinds: Invalid; as Describe's.
func (s *Store) SetPassword(ctx context.Context, id, password string) (Device, error) {
	if err := checkPassword("set password", password); err != nil {
		return Device{}, err
	}
	if _, err := s.load(ctx, id); err != nil {
		return Device{}, err // before work is done for it
	}
	kept, err := s.hasher.hash(ctx, []byte(password))
	if err != nil {
		return Device{}, err
	}
	return s.simply(ctx, id, func(r *row) error {
		r.Passwords = []string{kept}
		return nil
	})
}

// Rotate makes a new password for a device. The old one is good until the
// device has connected with the new one; a new one that was never used is
// replaced. Kinds as Describe's.
func (s *Store) Rotate(ctx context.Context, id string) (Secret, error) {
	secret, kept := newPassword()
	_, err := s.simply(ctx, id, func(r *row) error {
		if r.State == Revoked {
			return shardlog.Errorf(shardlog.InUse, "rotate password", "%s is revoked for good", id)
		}
		r.Passwords = append(r.Passwords[:min(len(r.Passwords), most-1)], kept)
		return nil
	})
	if err != nil {
		return Secret{}, err
	}
	return secret, nil
}

// Revoke refuses a device for good, puts its certificates on the list of
// those that nobody accepts, and forgets its passwords. Kinds as Describe's.
func (s *Store) Revoke(ctx context.Context, id string) (Device, error) {
	return s.edit(ctx, id, func(r *row) ([]shardlog.Mutation, error) {
		if r.State == Revoked {
			return nil, errKeep
		}
		with := s.revocations(ctx, id, r.Certificates)
		r.State, r.Passwords, r.Certificates, r.Claim = Revoked, nil, nil, ""
		return with, nil
	})
}

// RevokeCertificate takes one certificate from a device and puts it on the
// list; the device stays. Kinds: NotFound when it has no such certificate; as
// Describe's.
func (s *Store) RevokeCertificate(ctx context.Context, id, serial string) (Device, error) {
	return s.edit(ctx, id, func(r *row) ([]shardlog.Mutation, error) {
		at, ok := r.holds(credential{serial: serial})
		if serial == "" || !ok {
			return nil, shardlog.Errorf(shardlog.NotFound, "revoke certificate", "%s has no certificate %.80q", id, serial)
		}
		with := s.revocations(ctx, id, r.Certificates[at:at+1])
		r.Certificates, r.Claim = append(r.Certificates[:at], r.Certificates[at+1:]...), ""
		return with, nil
	})
}

// Delete forgets a device; its certificates go on the list. One that cannot be
// understood can be deleted too. Kinds: NotFound, Conflict, and those of the
// state.
func (s *Store) Delete(ctx context.Context, id string) error {
	err := retry(ctx, func() error {
		text, version, err := s.c.States.Get(ctx, deviceSpace, id)
		if err != nil {
			return err
		}
		var with []shardlog.Mutation
		if r, err := parseRow(text); err == nil {
			with = s.revocations(ctx, id, r.Certificates)
		}
		return s.c.States.Mutate(ctx, append(with, shardlog.Mutation{Space: deviceSpace, Key: id, Expect: shardlog.At(version)}, mark())...)
	})
	s.recheck(ctx, id)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return shardlog.Errorf(shardlog.NotFound, "delete device", "%.80q is no device here", id)
	}
	return err
}
