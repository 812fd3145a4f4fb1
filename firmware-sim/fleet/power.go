package fleet

import "errors"

// PowerCut cuts the power of all devices of a running fleet: their rings lose
// what they had not synced, and Run ends with device.ErrPowerCut soon. A fleet
// made anew of the same files is the devices' next life. Without State it does
// nothing: devices without a ring have nothing that would live on.
func (f *Fleet) PowerCut() error {
	var errs []error
	for _, ring := range f.rings {
		errs = append(errs, ring.Cut())
	}
	return errors.Join(errs...)
}
