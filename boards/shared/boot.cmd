# Chooses the slot, counts the attempt, and boots it. The image build puts the board's values (addr_*, boot, console, storage, signature)
# before these lines. The state is one sector at 2 MiB: U-Boot's environment format, 512 bytes, CRC32 first; writing it is atomic on
# ordinary media. Slots are tried in the order of BOOT_ORDER while attempts are left; Linux sets them back once it has confirmed the slot.
setenv state_sector 0x1000
if test -z "${devtype}"; then setenv devtype ${storage_type}; setenv devnum ${storage_number}; fi
${devtype} dev ${devnum}
setenv BOOT_ORDER; setenv BOOT_A_LEFT; setenv BOOT_B_LEFT; setenv COURTSIDE_GOOD; setenv COURTSIDE_MACHINE
if ${devtype} read ${addr_state} ${state_sector} 1; then
  env import -c ${addr_state} 0x200 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT COURTSIDE_GOOD COURTSIDE_MACHINE || echo "courtside: the boot state is torn; both slots are tried"
fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3
echo "courtside: order ${BOOT_ORDER}, attempts left A ${BOOT_A_LEFT} B ${BOOT_B_LEFT}, good ${COURTSIDE_GOOD}"
setenv slot
for s in ${BOOT_ORDER}; do
  if test -n "${slot}"; then
    true
  elif test "${s}" = "A"; then
    if test "${BOOT_A_LEFT}" = 3; then setenv BOOT_A_LEFT 2; setenv slot A; setenv part 2;
    elif test "${BOOT_A_LEFT}" = 2; then setenv BOOT_A_LEFT 1; setenv slot A; setenv part 2;
    elif test "${BOOT_A_LEFT}" = 1; then setenv BOOT_A_LEFT 0; setenv slot A; setenv part 2; fi
  elif test "${s}" = "B"; then
    if test "${BOOT_B_LEFT}" = 3; then setenv BOOT_B_LEFT 2; setenv slot B; setenv part 3;
    elif test "${BOOT_B_LEFT}" = 2; then setenv BOOT_B_LEFT 1; setenv slot B; setenv part 3;
    elif test "${BOOT_B_LEFT}" = 1; then setenv BOOT_B_LEFT 0; setenv slot B; setenv part 3; fi
  fi
done
if test -z "${slot}"; then
  # Nothing is left to try. Trying again beats standing still: a slot that fell to a loose cable boots the next time.
  echo "courtside: no slot has attempts left; counting anew"
  setenv BOOT_A_LEFT 3; setenv BOOT_B_LEFT 3
  if test "${COURTSIDE_GOOD}" = "B"; then setenv BOOT_ORDER "B A"; else setenv BOOT_ORDER "A B"; fi
fi
env export -c -s 0x200 ${addr_state} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT COURTSIDE_GOOD COURTSIDE_MACHINE
${devtype} write ${addr_state} ${state_sector} 1
if test -z "${slot}"; then sleep 1; reset; fi

# No rootwait: a root that does not come has to end in a panic, and so in the other slot.
setenv bootargs "console=${console},115200 root=PARTUUID=${signature}-0${part} ro panic=5 quiet loglevel=4 rauc.slot=${slot} courtside.good=${COURTSIDE_GOOD}"
if test -n "${COURTSIDE_MACHINE}"; then setenv bootargs "${bootargs} systemd.machine_id=${COURTSIDE_MACHINE}"; fi
echo "courtside: slot ${slot}"
if test -n "${addr_device_tree}"; then
  load ${devtype} ${devnum}:${part} ${addr_device_tree} /boot/dtb/${fdtfile} || reset
else
  if test -n "${fdt_addr}"; then setenv addr_device_tree ${fdt_addr}; else setenv addr_device_tree ${fdtcontroladdr}; fi
fi
# @DEVICE_TREE@
if load ${devtype} ${devnum}:${part} ${addr_kernel} /boot/vmlinuz && load ${devtype} ${devnum}:${part} ${addr_initrd} /boot/initrd.img; then
  ${boot} ${addr_kernel} ${addr_initrd}:${filesize} ${addr_device_tree}
fi
echo "courtside: slot ${slot} does not boot"
sleep 1
reset
