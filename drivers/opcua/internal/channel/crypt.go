package channel

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/gopcua/opcua/uapolicy"
)

const (
	headerSize   = 12 // message type, chunk type, size, channel id
	tokenSize    = 4
	sequenceSize = 8
)

// errSecurity is a chunk whose signature, padding or size does not hold.
var errSecurity = errors.New("a chunk failed its security check")

// protection is what is done to chunks in one direction of keys.
type protection struct {
	algo          *uapolicy.EncryptionAlgorithm
	sign, encrypt bool
}

// maxBody returns how many bytes of a message fit into a chunk of size bytes.
func (p protection) maxBody(size int) int {
	room := size - headerSize - tokenSize
	if p.encrypt {
		room = room/p.algo.BlockSize()*p.algo.PlaintextBlockSize() - p.paddingBytes(p.algo.RemoteSignatureLength())
	}
	if p.sign {
		room -= p.algo.SignatureLength()
	}
	return room - sequenceSize
}

// paddingBytes is how many bytes tell the length of the padding: two when the key that encrypts is longer than 2048 bits.
func (p protection) paddingBytes(keySize int) int {
	if keySize > 256 {
		return 2
	}
	return 1
}

// seal writes the size into the header and returns header and plain signed and encrypted.
func (p protection) seal(header, plain []byte) ([]byte, error) {
	size := len(header) + len(plain)
	if p.encrypt {
		n := p.paddingBytes(p.algo.RemoteSignatureLength())
		block := p.algo.PlaintextBlockSize()
		over := (len(plain) + n + p.algo.SignatureLength()) % block
		padding := (block - over) % block
		for range padding + 1 {
			plain = append(plain, byte(padding))
		}
		if n == 2 {
			plain = append(plain, byte(padding>>8))
		}
		size = len(header) + (len(plain)+p.algo.SignatureLength())/block*p.algo.BlockSize()
	} else if p.sign {
		size += p.algo.SignatureLength()
	}
	binary.LittleEndian.PutUint32(header[4:], uint32(size))
	if p.sign {
		sig, err := p.algo.Signature(slices.Concat(header, plain))
		if err != nil {
			return nil, errors.Join(errSecurity, err)
		}
		plain = append(plain, sig...)
	}
	if p.encrypt {
		var err error
		if plain, err = p.algo.Encrypt(plain); err != nil {
			return nil, errors.Join(errSecurity, err)
		}
	}
	return append(header, plain...), nil
}

// open returns what stands behind the first header bytes of a chunk, decrypted and verified, without padding and signature.
func (p protection) open(chunk []byte, header int) ([]byte, error) {
	data := chunk[header:]
	if !p.sign {
		return data, nil
	}
	if p.encrypt {
		var err error
		if data, err = p.algo.Decrypt(data); err != nil {
			return nil, errSecurity // the cause would tell a stranger too much
		}
	}
	end := len(data) - p.algo.RemoteSignatureLength()
	if end < sequenceSize {
		return nil, errSecurity
	}
	if err := p.algo.VerifySignature(slices.Concat(chunk[:header], data[:end]), data[end:]); err != nil {
		return nil, errSecurity
	}
	if !p.encrypt {
		return data[:end], nil
	}
	n := p.paddingBytes(p.algo.SignatureLength())
	padding := int(data[end-1])
	if n == 2 {
		padding = padding<<8 | int(data[end-2])
	}
	if end -= padding + n; end < sequenceSize {
		return nil, errSecurity
	}
	return data[:end], nil
}
