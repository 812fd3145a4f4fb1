package access

// SealSecret encrypts another secret of the site, under a name, with the newest
// seal. It panics without a seal.
func (all Seals) SealSecret(id, secret string) string { return all[0].seal(id, secret) }

// OpenSecret decrypts it; current says that the newest seal had sealed it.
func (all Seals) OpenSecret(id, sealed string) (secret string, current, ok bool) {
	secret, by, ok := all.open(id, sealed)
	return secret, by == 0, ok
}
