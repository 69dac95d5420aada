// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IProtocolHashes} from "../src/IProtocolHashes.sol";
import {IRoundLedger} from "../src/IRoundLedger.sol";
import {TestBase} from "./TestBase.sol";

contract RoundsTest is TestBase {
    function test_newRunIsSettledAtRoundZero() public {
        _requireState(RUN, 0, IRoundLedger.Phase.None);
        _openRun(RUN);
        _requireState(RUN, 0, IRoundLedger.Phase.Settled);
        assertEq(ledger.runCount(), 1);
    }

    function test_roundGoesThroughItsPhases() public {
        _openRun(RUN);
        _openRound(RUN, 1);
        _requireState(RUN, 1, IRoundLedger.Phase.Open);
        _commit(RUN, 1);
        _requireState(RUN, 1, IRoundLedger.Phase.Committed);
        assertEq(_settle(RUN, 1, "rewards", 0), 1);
        _requireState(RUN, 1, IRoundLedger.Phase.Settled);
        _openRound(RUN, 2);
        _requireState(RUN, 2, IRoundLedger.Phase.Open);
    }

    function test_sequenceCountsOverAllRuns() public {
        _openRun(RUN);
        _openRun(OTHER_RUN);
        assertEq(_wholeRound(RUN, 1, "a", 0), 1);
        assertEq(_wholeRound(OTHER_RUN, 1, "b", 0), 2);
        assertEq(_wholeRound(RUN, 2, "c", 0), 3);
        assertEq(ledger.settlementCount(), 3);
        assertEq(ledger.runCount(), 2);
    }

    function test_roundHashChainsEverythingRecorded() public {
        IProtocolHashes.Settlement memory settlement = _settlement("rewards", 0);
        _openRun(RUN);
        bytes32 expected =
            keccak256(abi.encode(RUN, bytes32("settings"), bytes32("anchor"), bytes32("catalogue"), bytes32("cohort")));
        assertEq(ledger.roundHash(RUN, 0), expected);
        for (uint64 round = 1; round <= 2; ++round) {
            assertEq(ledger.roundHash(RUN, round), bytes32(0));
            _openRound(RUN, round);
            expected = keccak256(abi.encode(expected, RUN, round, bytes32("model")));
            assertEq(ledger.roundHash(RUN, round), expected);
            _commit(RUN, round);
            expected = keccak256(abi.encode(expected, bytes32("commitments")));
            assertEq(ledger.roundHash(RUN, round), expected);
            _settle(RUN, round, "rewards", 0);
            expected = keccak256(
                abi.encode(
                    expected,
                    settlement.evidenceRoot,
                    settlement.reputationRoot,
                    settlement.rewardRoot,
                    settlement.nextModelHash,
                    settlement.rewardedWei
                )
            );
            assertEq(ledger.roundHash(RUN, round), expected);
        }
    }

    function test_everyStepEmitsItsEvent() public {
        vm.expectEmit(address(ledger));
        emit IRoundLedger.RunOpened(RUN, "settings", "anchor", "catalogue", "cohort");
        _openRun(RUN);
        vm.expectEmit(address(ledger));
        emit IRoundLedger.RoundOpened(RUN, 1, "model");
        _openRound(RUN, 1);
        vm.expectEmit(address(ledger));
        emit IRoundLedger.UpdatesCommitted(RUN, 1, "commitments");
        _commit(RUN, 1);
        vm.expectEmit(address(ledger));
        emit IRoundLedger.RoundSettled(RUN, 1, 1, _settlement("rewards", 0));
        _settle(RUN, 1, "rewards", 0);
    }

    function test_runOpensOnce() public {
        _openRun(RUN);
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.RunAlreadyOpen.selector, RUN));
        _openRun(RUN);
    }

    function test_unknownRunIsRefused() public {
        bytes memory unknown = abi.encodeWithSelector(IRoundLedger.RunUnknown.selector, RUN);
        vm.expectRevert(unknown);
        _openRound(RUN, 1);
        vm.expectRevert(unknown);
        _commit(RUN, 1);
        vm.expectRevert(unknown);
        _settle(RUN, 1, "rewards", 0);
    }

    function testFuzz_onlyTheNextRoundOpens(uint64 round) public {
        _openRun(RUN);
        _wholeRound(RUN, 1, "rewards", 0);
        if (round != 2) _expectOutOfOrder(round, 2);
        _openRound(RUN, round);
    }

    function testFuzz_onlyTheCurrentRoundAdvances(uint64 round) public {
        _openRun(RUN);
        _openRound(RUN, 1);
        if (round != 1) {
            _expectOutOfOrder(round, 1);
            _commit(RUN, round);
        }
        _commit(RUN, 1);
        if (round != 1) {
            _expectOutOfOrder(round, 1);
            _settle(RUN, round, "rewards", 0);
        }
    }

    function test_settledRunRefusesCommitAndSettle() public {
        _openRun(RUN);
        _wholeRound(RUN, 1, "rewards", 0);
        _expectWrongPhase(1, IRoundLedger.Phase.Settled);
        _commit(RUN, 1);
        _expectWrongPhase(1, IRoundLedger.Phase.Settled);
        _settle(RUN, 1, "rewards", 0);
    }

    function test_openRoundRefusesOpenAndSettle() public {
        _openRun(RUN);
        _openRound(RUN, 1);
        _expectWrongPhase(1, IRoundLedger.Phase.Open);
        _openRound(RUN, 2);
        _expectWrongPhase(1, IRoundLedger.Phase.Open);
        _settle(RUN, 1, "rewards", 0);
    }

    function test_committedRoundRefusesOpenAndCommit() public {
        _openRun(RUN);
        _openRound(RUN, 1);
        _commit(RUN, 1);
        _expectWrongPhase(1, IRoundLedger.Phase.Committed);
        _openRound(RUN, 2);
        _expectWrongPhase(1, IRoundLedger.Phase.Committed);
        _commit(RUN, 1);
    }

    function test_forgottenHashesAreRefusedByName() public {
        _expectZeroHash("runId");
        _openRun(bytes32(0));
        _expectZeroHash("cohortRoot");
        vm.prank(COORDINATOR);
        ledger.openRun(RUN, "settings", "anchor", "catalogue", 0);

        _openRun(RUN);
        _expectZeroHash("modelHash");
        vm.prank(COORDINATOR);
        ledger.openRound(RUN, 1, 0);
        _openRound(RUN, 1);
        _expectZeroHash("commitmentRoot");
        vm.prank(COORDINATOR);
        ledger.commitUpdates(RUN, 1, 0);
        _commit(RUN, 1);
        _expectZeroHash("rewardRoot");
        _settle(RUN, 1, 0, 0);
    }

    function testFuzz_onlyTheCoordinatorWrites(address stranger) public {
        if (stranger == COORDINATOR) return;
        _openRun(RUN);
        _openRound(RUN, 1);
        IProtocolHashes.Settlement memory settlement = _settlement("rewards", 0);

        _expectUnauthorised(stranger);
        ledger.openRun(OTHER_RUN, "settings", "anchor", "catalogue", "cohort");
        _expectUnauthorised(stranger);
        ledger.openRound(RUN, 1, "model");
        _expectUnauthorised(stranger);
        ledger.commitUpdates(RUN, 1, "commitments");
        _expectUnauthorised(stranger);
        ledger.settleRound(RUN, 1, settlement);
    }

    function test_adminReplacesTheCoordinator() public {
        bytes32 role = ledger.COORDINATOR_ROLE();
        ledger.grantRole(role, BOB);
        ledger.revokeRole(role, COORDINATOR);
        vm.prank(BOB);
        ledger.openRun(RUN, "settings", "anchor", "catalogue", "cohort");
        _expectUnauthorised(COORDINATOR);
        ledger.openRound(RUN, 1, "model");
    }

    function _requireState(bytes32 runId, uint64 round, IRoundLedger.Phase phase) private view {
        (uint64 gotRound, IRoundLedger.Phase gotPhase) = ledger.roundState(runId);
        assertEq(gotRound, round);
        assertEq(uint256(gotPhase), uint256(phase));
    }

    function _expectOutOfOrder(uint64 given, uint64 expected) private {
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.RoundOutOfOrder.selector, given, expected));
    }

    function _expectWrongPhase(uint64 round, IRoundLedger.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.WrongPhase.selector, round, phase));
    }

    function _expectZeroHash(string memory name) private {
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.ZeroHash.selector, name));
    }

    function _expectUnauthorised(address sender) private {
        bytes32 role = ledger.COORDINATOR_ROLE();
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, sender, role));
        vm.prank(sender);
    }
}
