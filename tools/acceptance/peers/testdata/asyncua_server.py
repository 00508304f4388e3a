"""An OPC UA server of asyncua's making, for the acceptance tests.

    asyncua_server.py PORT GEN [SERVER.pem SERVER.key USER.pem]

With certificates it offers Basic256Sha256 SignAndEncrypt alone, and admits gw with the password s3cret and who holds USER.pem.
Without, it has no security and admits everybody. Commands on standard input, one a line, each answered with "done":

    set NAME VALUE    write an Int32 node
    delete NAME       take a node away
    add NAME VALUE    bring an Int32 node
    lose VALUE        write node a; the notification of it is made and kept, but not sent
    forget VALUE      likewise, but it is not kept: Republish does not bring it back
"""

import asyncio
import hmac
import sys
from pathlib import Path

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_subscription import InternalSubscription

LOSS = {"pending": None, "lost": 0}


class Users:
    """Who may come in."""

    def __init__(self, certificate):
        self.certificate = certificate

    def get_user(self, iserver, username=None, password=None, certificate=None):
        """Return the user, or None to refuse."""
        if username is not None:
            good = username == "gw" and hmac.compare_digest(str(password), "s3cret")
        else:
            good = certificate == self.certificate
        return User(role=UserRole.User, name="gw") if good else None


def losing(publish_results):
    """Wrap the sending of notifications, so that one can be lost on the way."""

    async def wrapped(self, requestdata=None):
        how = LOSS["pending"]
        if how and requestdata is None and self._triggered_datachanges:
            LOSS["pending"] = None
            result = self._pop_publish_result()
            if how == "forget":
                self._not_acknowledged_results.pop(result.NotificationMessage.SequenceNumber)
            LOSS["lost"] += 1
            return False
        return await publish_results(self, requestdata)

    return wrapped


InternalSubscription.publish_results = losing(InternalSubscription.publish_results)


async def secure(server, certificate, key, user):
    """Take away everything but Basic256Sha256 and the two logins."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    await server.load_certificate(certificate, format="pem")
    await server.load_private_key(key, format="pem")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.set_identity_tokens([ua.UserNameIdentityToken, ua.X509IdentityToken])
    trusted = x509.load_pem_x509_certificate(Path(user).read_bytes()).public_bytes(Encoding.DER)
    server.iserver.user_manager = Users(trusted)


async def main(port, generation, *certificates):
    """Serve until standard input ends."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    if certificates:
        await secure(server, *certificates)
    space = await server.register_namespace("urn:peer")
    root = server.nodes.objects

    async def add(name, value, kind=ua.VariantType.Int32):
        return await root.add_variable(ua.NodeId(name, space), name, value, kind)

    kind = ua.VariantType
    await add("boolean", True, kind.Boolean)
    for name, value in (("SByte", -100), ("Byte", 200), ("Int16", -32767), ("UInt16", 65244), ("Int32", -305419896),
                        ("UInt32", 4275878552), ("Int64", -81985529216486896), ("UInt64", 81985529216486895)):
        await add(name, value, getattr(kind, name))
    await add("Float", -12.75, kind.Float)
    await add("Double", -3.141592653589793, kind.Double)
    await add("String", "Tor 3 geöffnet", kind.String)
    await add("LocalizedText", ua.LocalizedText("open", "en"), kind.LocalizedText)
    await add("array", [1, 2, 3], kind.Int32)
    await add("generation", generation)
    nodes = {name: await add(name, 1) for name in ("a", "b")}
    async with server:
        print("ready", flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            command, *words = line.split()
            if command == "set":
                await nodes[words[0]].write_value(int(words[1]), kind.Int32)
            elif command == "delete":
                await nodes.pop(words[0]).delete()
            elif command == "add":
                nodes[words[0]] = await add(words[0], int(words[1]))
            else:
                LOSS["pending"], before = command, LOSS["lost"]
                await nodes["a"].write_value(int(words[0]), kind.Int32)
                while LOSS["lost"] == before:
                    await asyncio.sleep(0.01)
            print("done", flush=True)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
